package flinkops.faults;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;

/** A job whose knobs make one fault each; its names say nothing about which. {@code --mode} chooses the shape. */
public final class LabJob {
    private LabJob() {}

    public static void main(String[] arguments) throws Exception {
        Options options = Options.of(arguments);
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        DataStream<Event> events = options.text("mode", "").equals("topic") ? Topic.of(environment, options) : generated(environment, options);
        DataStream<Event> results = shaped(options.text("mode", "keyed"), events, options);
        String onward = options.text("onward", "");
        if (onward.isEmpty()) {
            results.sinkTo(new DiscardingSink<>()).name("out").uid("out");
        } else {
            results.sinkTo(Onward.to(onward, options)).name("out").uid("out");
        }
        environment.execute(options.text("name", "lab"));
    }

    private static DataStream<Event> generated(StreamExecutionEnvironment environment, Options options) {
        return generated(environment, options, "orders");
    }

    private static DataStream<Event> generated(StreamExecutionEnvironment environment, Options options, String name) {
        DataGeneratorSource<Event> generator =
                new DataGeneratorSource<>(
                        new Generate(options),
                        Long.MAX_VALUE,
                        Flow.of(options.number("per-second", 200), options.whole("for-seconds", -1)),
                        TypeInformation.of(Event.class));
        return environment.fromSource(generator, WatermarkStrategy.noWatermarks(), name).uid(name);
    }

    private static DataStream<Event> shaped(String mode, DataStream<Event> events, Options options) {
        switch (mode) {
            case "keyed":
                return worked(events.keyBy(event -> event.key).process(new Remember(options)).name("totals").uid("totals").rebalance(), options);
            case "skewed":
                return worked(events.keyBy(event -> event.key), options);
            case "skewed then delivered":
                return delivered(worked(events.keyBy(event -> event.key), options).rebalance(), options);
            case "windowed":
                return windowed(events, options);
            case "topic":
                return inWindows(options.number("wait-ms", 0) > 0 ? worked(events, options) : events, options);
            case "documents":
                return events.rebalance().map(new Documents.Write(options)).name("prepare").uid("prepare").rebalance()
                        .map(new Documents.Read()).name("enrich").uid("enrich");
            case "baskets":
                return events.map(new Basket.Fill(options)).name("fill").uid("fill").rebalance()
                        .map(new Basket.Count()).name("count").uid("count");
            case "broadcast":
                return Rules.over(events, generated(events.getExecutionEnvironment(), Options.of(new String[] {"--per-second", "1"}), "rules"));
            case "calling":
                return AsyncDataStream.unorderedWait(
                                events.rebalance(), new AsyncCall(options), 1, TimeUnit.MINUTES, (int) options.whole("calls", 10))
                        .name("look up").uid("look-up");
            default:
                throw new IllegalArgumentException("no mode " + mode);
        }
    }

    private static DataStream<Event> worked(DataStream<Event> events, Options options) {
        return events.flatMap(new Work(options)).name("deliver").uid(options.text("uid", "deliver"));
    }

    private static DataStream<Event> delivered(DataStream<Event> events, Options options) {
        return events.flatMap(new Work(options, "sink-")).name("send").uid("send");
    }

    private static DataStream<Event> windowed(DataStream<Event> events, Options options) {
        WatermarkStrategy<Event> watermarks =
                WatermarkStrategy.<Event>forBoundedOutOfOrderness(Duration.ofSeconds(options.whole("disorder-seconds", 2)))
                        .withTimestampAssigner((event, before) -> event.atMs);
        return inWindows(events.flatMap(new Clock(options)).name("read clocks").uid("clocks")
                .assignTimestampsAndWatermarks(watermarks).name("event time").uid("event-time"), options);
    }

    private static DataStream<Event> inWindows(DataStream<Event> events, Options options) {
        return events.keyBy(event -> event.key)
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(options.whole("window-seconds", 5))))
                .reduce((one, other) -> other).name("window").uid("window");
    }
}
