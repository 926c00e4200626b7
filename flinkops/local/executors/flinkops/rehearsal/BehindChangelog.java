package flinkops.rehearsal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.state.AggregatingState;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.ReducingState;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.runtime.state.internal.InternalKvState;
import org.apache.flink.runtime.state.metainfo.StateMetaInfoSnapshot;

/**
 * Backends that the changelog stands before: it takes Flink's own classes alone, no proxy. Which states were opened is
 * then read off them at the end: all of them keep the states that they were asked for by name. Values are not read.
 */
final class BehindChangelog {
    private static final String CHANGELOG = "org.apache.flink.state.changelog.";
    private static final List<BehindChangelog> ALL = new ArrayList<>();

    private final Object real;
    private final String operator;
    private final Map<String, StateMetaInfoSnapshot> saved;

    private BehindChangelog(Object real, String operator, Map<String, StateMetaInfoSnapshot> saved) {
        this.real = real;
        this.operator = operator;
        this.saved = saved;
    }

    /** Whether the changelog asks for a backend just now. */
    static boolean asks() {
        return StackWalker.getInstance()
                .walk(frames -> frames.anyMatch(one -> one.getClassName().startsWith(CHANGELOG)));
    }

    static synchronized void add(Object real, String operator, Object parameters) {
        StateBackend.KeyedStateBackendParameters<?> of = (StateBackend.KeyedStateBackendParameters<?>) parameters;
        ClassLoader loader = of.getEnv().getUserCodeClassLoader().asClassLoader();
        ALL.add(new BehindChangelog(real, operator, SavedStates.byName(of.getStateHandles(), loader)));
    }

    static synchronized void forget() {
        ALL.clear();
    }

    /** What was opened in all of them. */
    static synchronized void note() throws ReflectiveOperationException {
        for (BehindChangelog one : ALL) {
            for (Map.Entry<?, ?> state : Map.copyOf((Map<?, ?>) Fields.get(one.real, "createdKVStates")).entrySet()) {
                String name = (String) state.getKey();
                Recorder.Opened opened = Recorder.opened(
                        one.operator, name, "keyed", type(state.getValue()), serializer(state.getValue()));
                Recorder.note(opened, null, one.saved.containsKey(name), null);
            }
        }
    }

    private static String type(Object state) {
        return state instanceof MapState ? "MAP"
                : state instanceof ListState ? "LIST"
                : state instanceof AggregatingState ? "AGGREGATING"
                : state instanceof ReducingState ? "REDUCING"
                : state instanceof ValueState ? "VALUE" : "";
    }

    private static String serializer(Object state) {
        return state instanceof InternalKvState<?, ?, ?> kv ? kv.getValueSerializer().getClass().getName() : "";
    }
}
