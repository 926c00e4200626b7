package flinkops.changed;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** Two jobs of one program; what is restored is the state of the second. */
public final class Job {
    private Job() {}

    public static void main(String[] arguments) throws Exception {
        submit("first", "other");
        submit("second", arguments.length > 0 ? arguments[0] : "changed");
    }

    private static void submit(String place, String name) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        environment.fromSequence(0, Long.MAX_VALUE / 2).uid(place + "-numbers")
                .map(number -> { Thread.sleep(5); return number; }).returns(Types.LONG).uid(place + "-slow")
                .keyBy(number -> number % 100)
                .process(new Count()).uid(place + "-count").name(place + "-count")
                .sinkTo(new DiscardingSink<>()).uid(place + "-discard");
        environment.execute(name);
    }

    public static class Count extends KeyedProcessFunction<Long, Long, Long> {
        private transient ValueState<Long> count;

        @Override
        public void open(OpenContext context) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
        }

        @Override
        public void processElement(Long number, Context context, Collector<Long> out) throws Exception {
            count.update(number);
            out.collect(number);
        }
    }
}
