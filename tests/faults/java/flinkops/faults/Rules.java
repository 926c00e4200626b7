package flinkops.faults;

import java.util.Map;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ReadOnlyBroadcastState;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.co.KeyedBroadcastProcessFunction;
import org.apache.flink.util.Collector;

/** Orders beside rules that every subtask holds in broadcast state: an order goes out when a rule of its key is there. */
final class Rules extends KeyedBroadcastProcessFunction<Long, Event, Event, Event> {
    private static final MapStateDescriptor<Long, Long> RULES = new MapStateDescriptor<>("rules", Types.LONG, Types.LONG);

    static DataStream<Event> over(DataStream<Event> orders, DataStream<Event> rules) {
        return orders.keyBy(event -> event.key).connect(rules.broadcast(RULES)).process(new Rules()).name("apply rules").uid("apply-rules");
    }

    @Override
    public void processElement(Event order, ReadOnlyContext context, Collector<Event> out) throws Exception {
        ReadOnlyBroadcastState<Long, Long> rules = context.getBroadcastState(RULES);
        for (Map.Entry<Long, Long> rule : rules.immutableEntries()) {
            if (rule.getKey() % 10 == order.key % 10) {
                out.collect(order);
                return;
            }
        }
    }

    @Override
    public void processBroadcastElement(Event rule, Context context, Collector<Event> out) throws Exception {
        context.getBroadcastState(RULES).put(rule.key, rule.atMs);
    }
}
