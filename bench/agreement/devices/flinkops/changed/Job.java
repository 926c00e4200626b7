package flinkops.changed;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.AggregatingState;
import org.apache.flink.api.common.state.AggregatingStateDescriptor;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.triggers.Trigger;
import org.apache.flink.streaming.api.windowing.triggers.TriggerResult;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/** Records, tuples, maps and times as state, keys that are objects, a trigger with state; run with one line changed. */
public final class Job {
    static final OutputTag<Reading> LATE = new OutputTag<>("late", TypeInformation.of(Reading.class));

    private Job() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        DataStream<Reading> readings = numbers(environment, "readings").map(Reading::of).returns(Reading.class).uid("parsed")
                .assignTimestampsAndWatermarks(WatermarkStrategy.<Reading>forMonotonousTimestamps()
                        .withTimestampAssigner((one, before) -> one.atMillis)).uid("timed");
        DataStream<Long> limits = numbers(environment, "limits");
        readings.keyBy(one -> one.device).connect(limits.keyBy(one -> new Device("s" + one % 3, one % 10))) // join
                .process(new Watch()).uid("watch").name("watch")
                .sinkTo(new DiscardingSink<>()).uid("watched");
        SingleOutputStreamOperator<String> hourly = readings.keyBy(one -> one.device.site)
                .window(TumblingEventTimeWindows.of(Duration.ofHours(1)))
                .trigger(new EveryFew())
                .allowedLateness(Duration.ofMinutes(1)) // lateness
                .sideOutputLateData(LATE)
                .aggregate(new MeanValue(), new Named()).uid("hourly").name("hourly");
        hourly.sinkTo(new DiscardingSink<>()).uid("means");
        hourly.getSideOutput(LATE).map(one -> one.value).uid("late").sinkTo(new DiscardingSink<>()).uid("late-sink");
        environment.execute(arguments[0]);
    }

    private static DataStream<Long> numbers(StreamExecutionEnvironment environment, String name) {
        return environment.fromSequence(0, Long.MAX_VALUE / 2).uid(name)
                .map(number -> { Thread.sleep(5); return number; }).returns(Types.LONG).uid(name + "-slow");
    }

    public static class Device {
        public String site; // site
        public long number;

        public Device() {}

        Device(String site, long number) {
            this.site = site;
            this.number = number;
        }

        @Override
        public int hashCode() {
            return site.hashCode() * 31 + (int) number;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Device one && one.site.equals(site) && one.number == number;
        }
    }

    public static class Reading {
        public Device device;
        public double value;
        public long atMillis;

        static Reading of(long number) {
            Reading one = new Reading();
            one.device = new Device("s" + number % 3, number % 10);
            one.value = number;
            one.atMillis = number * 1000;
            return one;
        }
    }

    public record Limit(double most, String by) {} // limit

    public enum Level { LOW, HIGH }

    static class Watch extends KeyedCoProcessFunction<Device, Reading, Long, String> {
        private transient MapState<Level, Tuple2<Long, Double>> extremes;
        private transient ListState<Instant> times;
        private transient ValueState<Limit> limit;
        private transient ValueState<BigDecimal> sum;
        private transient ValueState<Map<String, List<Long>>> notes;
        private transient AggregatingState<Double, Double> mean;

        @Override
        public void open(OpenContext context) {
            extremes = getRuntimeContext().getMapState(new MapStateDescriptor<>(
                    "extremes", TypeInformation.of(Level.class), Types.TUPLE(Types.LONG, Types.DOUBLE)));
            times = getRuntimeContext().getListState(new ListStateDescriptor<>("times", Types.INSTANT));
            limit = getRuntimeContext().getState(new ValueStateDescriptor<>("limit", Limit.class));
            sum = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", BigDecimal.class));
            notes = getRuntimeContext().getState(new ValueStateDescriptor<>(
                    "notes", TypeInformation.of(new TypeHint<Map<String, List<Long>>>() {})));
            mean = getRuntimeContext().getAggregatingState(new AggregatingStateDescriptor<>(
                    "mean", new Mean(), Types.TUPLE(Types.DOUBLE, Types.LONG)));
        }

        @Override
        public void processElement1(Reading reading, Context context, Collector<String> out) throws Exception {
            extremes.put(reading.value % 2 == 0 ? Level.LOW : Level.HIGH, Tuple2.of(reading.atMillis, reading.value));
            times.add(Instant.ofEpochMilli(reading.atMillis));
            sum.update(BigDecimal.valueOf(reading.value));
            mean.add(reading.value);
            Map<String, List<Long>> said = new HashMap<>();
            said.put(context.getCurrentKey().site, new ArrayList<>(List.of(reading.atMillis)));
            notes.update(said);
            context.timerService().registerProcessingTimeTimer(context.timerService().currentProcessingTime() + 3_600_000);
            getRuntimeContext().getState(new ValueStateDescriptor<>("first", Types.LONG)).update(reading.atMillis); // lazy
        }

        @Override
        public void processElement2(Long number, Context context, Collector<String> out) throws Exception {
            limit.update(new Limit(number, "n")); // update
        }

        @Override
        public void onTimer(long atMillis, OnTimerContext context, Collector<String> out) throws Exception {
            out.collect(String.valueOf(mean.get()));
        }
    }

    static class Mean implements AggregateFunction<Double, Tuple2<Double, Long>, Double> {
        @Override
        public Tuple2<Double, Long> createAccumulator() {
            return Tuple2.of(0.0, 0L);
        }

        @Override
        public Tuple2<Double, Long> add(Double value, Tuple2<Double, Long> one) {
            return Tuple2.of(one.f0 + value, one.f1 + 1);
        }

        @Override
        public Double getResult(Tuple2<Double, Long> one) {
            return one.f0 / one.f1;
        }

        @Override
        public Tuple2<Double, Long> merge(Tuple2<Double, Long> one, Tuple2<Double, Long> other) {
            return Tuple2.of(one.f0 + other.f0, one.f1 + other.f1);
        }
    }

    static class MeanValue implements AggregateFunction<Reading, Tuple2<Double, Long>, Double> {
        private final Mean mean = new Mean();

        @Override
        public Tuple2<Double, Long> createAccumulator() {
            return mean.createAccumulator();
        }

        @Override
        public Tuple2<Double, Long> add(Reading reading, Tuple2<Double, Long> one) {
            return mean.add(reading.value, one);
        }

        @Override
        public Double getResult(Tuple2<Double, Long> one) {
            return mean.getResult(one);
        }

        @Override
        public Tuple2<Double, Long> merge(Tuple2<Double, Long> one, Tuple2<Double, Long> other) {
            return mean.merge(one, other);
        }
    }

    static class Named extends ProcessWindowFunction<Double, String, String, TimeWindow> {
        @Override
        public void process(String site, Context context, Iterable<Double> means, Collector<String> out) throws Exception {
            ValueState<Long> fired = context.windowState().getState(new ValueStateDescriptor<>("fired", Types.LONG)); // window
            fired.update(1L);
            out.collect(site + means.iterator().next());
        }
    }

    static class EveryFew extends Trigger<Object, TimeWindow> {
        private final ValueStateDescriptor<Long> count = new ValueStateDescriptor<>("few", Types.LONG); // trigger

        @Override
        public TriggerResult onElement(Object one, long atMillis, TimeWindow window, TriggerContext context) throws Exception {
            ValueState<Long> seen = context.getPartitionedState(count);
            long now = seen.value() == null ? 1 : seen.value() + 1;
            seen.update(now % 5);
            context.registerEventTimeTimer(window.maxTimestamp());
            return now % 5 == 0 ? TriggerResult.FIRE : TriggerResult.CONTINUE;
        }

        @Override
        public TriggerResult onProcessingTime(long atMillis, TimeWindow window, TriggerContext context) {
            return TriggerResult.CONTINUE;
        }

        @Override
        public TriggerResult onEventTime(long atMillis, TimeWindow window, TriggerContext context) {
            return atMillis == window.maxTimestamp() ? TriggerResult.FIRE : TriggerResult.CONTINUE;
        }

        @Override
        public void clear(TimeWindow window, TriggerContext context) throws Exception {
            context.getPartitionedState(count).clear();
        }
    }
}
