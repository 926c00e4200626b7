package flinkops.faults;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Keeps the last payload of each key, for ever; with {@code reads} it reads the one before. */
public final class Remember extends KeyedProcessFunction<Long, Event, Event> {
    private final boolean reads;

    private transient ValueState<byte[]> last;
    private transient long bytes;

    public Remember(Options options) {
        reads = options.whole("reads", 0) > 0;
    }

    @Override
    public void open(OpenContext context) {
        last = getRuntimeContext().getState(new ValueStateDescriptor<>("last", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Event> out) throws Exception {
        byte[] before = reads ? last.value() : null;
        bytes += before == null ? 0 : before.length;
        last.update(event.payload);
        out.collect(event);
    }
}
