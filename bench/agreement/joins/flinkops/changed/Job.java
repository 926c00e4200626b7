package flinkops.changed;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.co.ProcessJoinFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.triggers.ContinuousEventTimeTrigger;
import org.apache.flink.streaming.api.windowing.triggers.CountTrigger;
import org.apache.flink.streaming.api.windowing.triggers.PurgingTrigger;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** Windowed join with a trigger, session windows, an interval join, state of a window; one line changed. */
public final class Job {
    private Job() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        DataStream<Long> left = numbers(environment, "left");
        DataStream<Long> right = numbers(environment, "right");
        joined(left, right);
        left.keyBy(number -> number % 10)
                .intervalJoin(right.keyBy(number -> number % 10))
                .between(Duration.ofMinutes(-5), Duration.ofMinutes(5)) // interval
                .process(new Pair()).uid("interval").name("interval")
                .sinkTo(new DiscardingSink<>()).uid("discard-interval");
        left.keyBy(number -> number % 7)
                .window(EventTimeSessionWindows.withGap(Duration.ofMinutes(10)))
                .trigger(ContinuousEventTimeTrigger.of(Duration.ofMinutes(1))) // sessions
                .process(new Sizes()).uid("sessions").name("sessions")
                .sinkTo(new DiscardingSink<>()).uid("discard-sessions");
        environment.execute(arguments.length > 0 ? arguments[0] : "joins");
    }

    private static DataStream<Long> numbers(StreamExecutionEnvironment environment, String name) {
        return environment.fromSequence(0, Long.MAX_VALUE / 2000).uid(name)
                .map(number -> { Thread.sleep(5); return number; }).returns(Types.LONG).uid(name + "-slow")
                .assignTimestampsAndWatermarks(WatermarkStrategy.<Long>forMonotonousTimestamps()
                        .withTimestampAssigner((number, before) -> number * 1000)).uid(name + "-times");
    }

    private static void joined(DataStream<Long> left, DataStream<Long> right) {
        left.join(right)
                .where(number -> number % 10).equalTo(number -> number % 10)
                .window(TumblingEventTimeWindows.of(Duration.ofMinutes(30)))
                .trigger(PurgingTrigger.of(CountTrigger.of(50))) // trigger
                .apply((one, other) -> one + other, Types.LONG) // join
                .sinkTo(new DiscardingSink<>()).uid("discard-join");
    }

    public static class Pair extends ProcessJoinFunction<Long, Long, Long> {
        @Override
        public void processElement(Long one, Long other, Context context, Collector<Long> out) {
            out.collect(one + other);
        }
    }

    public static class Sizes extends ProcessWindowFunction<Long, Long, Long, TimeWindow> {
        private static final ValueStateDescriptor<Long> EVER = new ValueStateDescriptor<>("ever", Types.LONG);

        @Override
        public void process(Long key, Context context, Iterable<Long> numbers, Collector<Long> out) throws Exception {
            ValueState<Long> ever = context.globalState().getState(EVER);
            long count = ever.value() == null ? 0 : ever.value();
            for (Long ignored : numbers) {
                count++;
            }
            ever.update(count);
            out.collect(count);
        }
    }
}
