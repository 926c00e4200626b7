package flinkops.changed;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** A job with state of every plain kind; the tests compile it with one line changed. */
public final class Job {
    private Job() {}

    public static class Last {
        public long number;
        public int seen; // POJO
    }

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        environment.fromSequence(0, Long.MAX_VALUE / 2).uid("numbers").name("numbers")
                .map(number -> { Thread.sleep(5); return number; }).returns(Types.LONG).uid("slow").name("slow")
                .keyBy(number -> number % 100)
                .process(new Count()).uid("count").name("count")
                .sinkTo(new DiscardingSink<>()).uid("discard").name("discard");
        environment.execute(arguments.length > 0 ? arguments[0] : "changed");
    }

    public static class Count extends KeyedProcessFunction<Long, Long, Long> {
        private transient ValueState<Long> count;
        private transient ListState<Long> latest;
        private transient ValueState<Last> last;
        private transient ValueState<Long> lazy;

        @Override
        public void open(OpenContext context) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
            latest = getRuntimeContext().getListState(new ListStateDescriptor<>("latest", Types.LONG));
            last = getRuntimeContext().getState(new ValueStateDescriptor<>("last", Last.class));
        }

        @Override
        public void processElement(Long number, Context context, Collector<Long> out) throws Exception {
            if (lazy == null) {
                lazy = getRuntimeContext().getState(new ValueStateDescriptor<>("lazy", Types.LONG));
            }
            lazy.update(number);
            Long before = count.value();
            count.update(before == null ? 1L : before + 1);
            latest.add(number);
            Last one = new Last();
            one.number = number;
            last.update(one);
            context.timerService().registerEventTimeTimer(Long.MAX_VALUE - 1);
            out.collect(number);
        }
    }
}
