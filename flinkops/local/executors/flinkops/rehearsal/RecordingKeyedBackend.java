package flinkops.rehearsal;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.State;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.CheckpointableKeyedStateBackend;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.runtime.state.internal.InternalAppendingState;
import org.apache.flink.runtime.state.internal.InternalKvState;
import org.apache.flink.runtime.state.metainfo.StateMetaInfoSnapshot;

/** A keyed backend that notes each state that is opened, and reads some values of each at the snapshot. */
final class RecordingKeyedBackend implements InvocationHandler {
    private static final int ELEMENTS_READ = 100;
    private static final Set<String> OPENING =
            Set.of("getPartitionedState", "getOrCreateKeyedState", "createOrUpdateInternalState", "createStateInternal");

    private final Object real;
    private final String operator;
    private final Map<String, StateMetaInfoSnapshot> saved;
    private final Map<String, Recorder.Opened> opened = new ConcurrentHashMap<>();
    private final Map<String, State> states = new ConcurrentHashMap<>();

    private RecordingKeyedBackend(Object real, String operator, Map<String, StateMetaInfoSnapshot> saved) {
        this.real = real;
        this.operator = operator;
        this.saved = saved;
    }

    static Object around(Object real, String operator, Object parameters) {
        StateBackend.KeyedStateBackendParameters<?> of = (StateBackend.KeyedStateBackendParameters<?>) parameters;
        ClassLoader loader = of.getEnv().getUserCodeClassLoader().asClassLoader();
        return proxy(real, new RecordingKeyedBackend(real, operator, SavedStates.byName(of.getStateHandles(), loader)));
    }

    /** Of asynchronous state: names are noted, values are not read. */
    static Object aroundAsync(Object real, String operator) {
        return proxy(real, new RecordingKeyedBackend(real, operator, Map.of()));
    }

    private static Object proxy(Object real, InvocationHandler handler) {
        return Interfaces.proxy(real.getClass().getClassLoader(), Interfaces.of(real.getClass()), handler);
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        String name = method.getName();
        if (OPENING.contains(name)) {
            return open(method, arguments);
        }
        if (name.equals("create") && arguments != null && arguments[0] instanceof String timers) {
            Object queue = RecordingBackendFactory.ask(real, method, arguments);
            Recorder.Opened state = Recorder.opened(operator, timers, "keyed", "PRIORITY_QUEUE", arguments[1].getClass().getName());
            Recorder.note(state, null, saved.containsKey(timers), null);
            return queue;
        }
        if (name.equals("snapshot")) {
            readAll();
        }
        return RecordingBackendFactory.ask(real, method, arguments);
    }

    private Object open(Method method, Object[] arguments) throws Throwable {
        StateDescriptor<?, ?> descriptor = null;
        String name = null;
        for (Object argument : arguments) {
            if (argument instanceof StateDescriptor<?, ?> one) {
                descriptor = one;
                name = one.getName();
            } else if (argument != null && argument.getClass().getName().startsWith("org.apache.flink.api.common.state.v2.")) {
                name = (String) argument.getClass().getMethod("getStateId").invoke(argument);
            }
        }
        try {
            Object state = RecordingBackendFactory.ask(real, method, arguments);
            if (name != null && !opened.containsKey(name)) {
                Recorder.Opened one = opened(name, descriptor);
                Recorder.note(one, compatibility(name, descriptor, one), saved.containsKey(name), null);
                opened.put(name, one);
                if (state instanceof State readable && descriptor != null) {
                    states.put(name, readable);
                }
            }
            return state;
        } catch (Throwable problem) {
            if (name != null) {
                Recorder.note(opened(name, descriptor), null, saved.containsKey(name), problem);
            }
            throw problem;
        }
    }

    private Recorder.Opened opened(String name, StateDescriptor<?, ?> descriptor) {
        String type = descriptor == null ? "" : descriptor.getType().name();
        return Recorder.opened(operator, name, "keyed", type, serializer(descriptor));
    }

    private static String serializer(StateDescriptor<?, ?> descriptor) {
        if (descriptor == null) {
            return "";
        }
        try {
            return descriptor.getSerializer().getClass().getName();
        } catch (RuntimeException notYet) {
            return "";
        }
    }

    /** After it was opened without complaint: as it is, or its values are rewritten with the new serializer. */
    @SuppressWarnings({"rawtypes", "unchecked"})
    private String compatibility(String name, StateDescriptor<?, ?> descriptor, Recorder.Opened state) {
        StateMetaInfoSnapshot old = saved.get(name);
        if (old == null || descriptor == null) {
            return null;
        }
        try {
            TypeSerializerSnapshot before =
                    old.getTypeSerializerSnapshot(StateMetaInfoSnapshot.CommonSerializerKeys.VALUE_SERIALIZER);
            TypeSerializerSnapshot now = descriptor.getSerializer().snapshotConfiguration();
            TypeSerializerSchemaCompatibility<?> found = now.resolveSchemaCompatibility(before);
            if (!found.isCompatibleAfterMigration()) {
                return "as-is";
            }
            Set<String> dropped = new TreeSet<>();
            DroppedFields.add(before, now, "", dropped);
            Recorder.drops(state, dropped);
            return "after-migration";
        } catch (ReflectiveOperationException | RuntimeException | LinkageError unknown) {
            return null;
        }
    }

    private void readAll() {
        if (!(real instanceof CheckpointableKeyedStateBackend<?> backend)) {
            return;
        }
        for (Map.Entry<String, State> one : states.entrySet()) {
            Recorder.Opened state = opened.get(one.getKey());
            try {
                Recorder.read(state, read(backend, one.getKey(), one.getValue()));
            } catch (Exception | LinkageError problem) {
                Recorder.note(state, null, saved.containsKey(one.getKey()), problem);
            }
        }
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private <K> long read(CheckpointableKeyedStateBackend<K> backend, String name, State state) throws Exception {
        List<Tuple2<K, Object>> some;
        try (Stream<Tuple2<K, Object>> all = backend.getKeysAndNamespaces(name)) {
            some = all.limit(Recorder.VALUES_READ).collect(Collectors.toList());
        }
        for (Tuple2<K, Object> one : some) {
            backend.setCurrentKey(one.f0);
            if (state instanceof InternalKvState kv) {
                kv.setCurrentNamespace(one.f1);
            }
            value(state);
        }
        return some.size();
    }

    private void value(State state) throws Exception {
        if (state instanceof ValueState<?> value) {
            Patterns.check(operator, value.value());
        } else if (state instanceof MapState<?, ?> map) {
            some(map.iterator());
        } else if (state instanceof ListState<?> list) {
            Iterable<?> elements = list.get();
            some(elements == null ? List.of().iterator() : elements.iterator());
        } else if (state instanceof InternalAppendingState<?, ?, ?, ?, ?> appending) {
            appending.getInternal();
        }
    }

    private static void some(Iterator<?> elements) {
        for (int number = 0; number < ELEMENTS_READ && elements.hasNext(); number++) {
            Object element = elements.next();
            if (element instanceof Map.Entry<?, ?> entry) {
                entry.getKey();
                entry.getValue();
            }
        }
    }
}
