package flinkops.changed;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.v2.ListState;
import org.apache.flink.api.common.state.v2.ListStateDescriptor;
import org.apache.flink.api.common.state.v2.ValueState;
import org.apache.flink.api.common.state.v2.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** Asynchronous state, of Flink 2; compiled with one line changed. */
public final class Job {
    private Job() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        environment.fromSequence(0, Long.MAX_VALUE / 2).uid("numbers")
                .map(number -> { Thread.sleep(5); return number; }).returns(Types.LONG).uid("slow")
                .keyBy(number -> number % 100)
                .enableAsyncState()
                .process(new Count()).uid("count").name("count")
                .sinkTo(new DiscardingSink<>()).uid("discard");
        environment.execute(arguments.length > 0 ? arguments[0] : "changed");
    }

    public static class Count extends KeyedProcessFunction<Long, Long, Long> {
        private transient ValueState<Long> count;
        private transient ListState<Long> latest;

        @Override
        public void open(OpenContext context) throws Exception {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
            latest = getRuntimeContext().getListState(new ListStateDescriptor<>("latest", Types.LONG));
        }

        @Override
        public void processElement(Long number, Context context, Collector<Long> out) throws Exception {
            count.asyncValue().thenCompose(before -> count.asyncUpdate(before == null ? 1L : before + 1));
            latest.asyncAdd(number);
        }
    }
}
