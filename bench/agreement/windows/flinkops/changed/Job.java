package flinkops.changed;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.co.BroadcastProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.util.Collector;

/** Event-time windows, their timers, and broadcast state; compiled with one line changed. */
public final class Job {
    static final MapStateDescriptor<Long, Long> RULES = new MapStateDescriptor<>("rules", Types.LONG, Types.LONG);

    private Job() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        DataStream<Long> numbers = environment.fromSequence(0, Long.MAX_VALUE / 2000).uid("numbers")
                .map(number -> { Thread.sleep(5); return number; }).returns(Types.LONG).uid("slow")
                .assignTimestampsAndWatermarks(WatermarkStrategy.<Long>forMonotonousTimestamps()
                        .withTimestampAssigner((number, before) -> number * 1000)).uid("times");
        numbers.keyBy(number -> number % 10)
                .window(TumblingEventTimeWindows.of(Duration.ofMinutes(5)))
                .aggregate(new Sum()).uid("window").name("window")
                .sinkTo(new DiscardingSink<>()).uid("discard");
        numbers.connect(numbers.filter(number -> number % 50 == 0).uid("some").broadcast(RULES))
                .process(new Rules()).uid("rules").name("rules")
                .sinkTo(new DiscardingSink<>()).uid("discard-too");
        environment.execute(arguments.length > 0 ? arguments[0] : "changed");
    }

    public static class Sum implements AggregateFunction<Long, Long, Long> {
        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Long number, Long sum) {
            return number + sum;
        }

        @Override
        public Long getResult(Long sum) {
            return sum;
        }

        @Override
        public Long merge(Long one, Long other) {
            return one + other;
        }
    }

    public static class Rules extends BroadcastProcessFunction<Long, Long, Long> {
        @Override
        public void processElement(Long number, ReadOnlyContext context, Collector<Long> out) throws Exception {
            if (context.getBroadcastState(RULES).contains(number)) {
                out.collect(number);
            }
        }

        @Override
        public void processBroadcastElement(Long number, Context context, Collector<Long> out) throws Exception {
            context.getBroadcastState(RULES).put(number % 1000, number);
        }
    }
}
