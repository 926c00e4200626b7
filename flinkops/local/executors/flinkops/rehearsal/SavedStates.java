package flinkops.rehearsal;

import java.io.DataInputStream;
import java.io.IOException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.memory.DataInputViewStreamWrapper;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.IncrementalRemoteKeyedStateHandle;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedBackendSerializationProxy;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.OperatorBackendSerializationProxy;
import org.apache.flink.runtime.state.OperatorStateHandle;
import org.apache.flink.runtime.state.StreamStateHandle;
import org.apache.flink.runtime.state.changelog.ChangelogStateBackendHandle;
import org.apache.flink.runtime.state.filesystem.AbstractFsCheckpointStorageAccess;
import org.apache.flink.runtime.state.filesystem.FsCompletedCheckpointStorageLocation;
import org.apache.flink.runtime.state.metainfo.StateMetaInfoSnapshot;

/** Which states a savepoint or checkpoint holds, by its own descriptions of them. */
final class SavedStates {
    private SavedStates() {}

    static CheckpointMetadata metadata(String path, ClassLoader loader) throws IOException {
        FsCompletedCheckpointStorageLocation place = AbstractFsCheckpointStorageAccess.resolveCheckpointPointer(path);
        try (DataInputStream stream = new DataInputStream(place.getMetadataHandle().openInputStream())) {
            return Checkpoints.loadCheckpointMetadata(stream, loader, path);
        }
    }

    /** Whether Flink counts it as state that must not be left behind. */
    static boolean hasState(OperatorState operator) {
        if (operator.getCoordinatorState() != null) {
            return true;
        }
        return operator.getStates().stream().anyMatch(OperatorSubtaskState::hasState);
    }

    /** Of one operator; what cannot be read is noted in `unreadable`. */
    static List<Map<String, Object>> of(OperatorState operator, ClassLoader loader, List<String> unreadable) {
        Map<String, Map<String, Object>> found = new LinkedHashMap<>();
        for (OperatorSubtaskState subtask : operator.getStates()) {
            for (KeyedStateHandle handle : subtask.getManagedKeyedState()) {
                read(operator, unreadable, () -> keyed(handle, loader), "keyed", found);
            }
            for (OperatorStateHandle handle : subtask.getManagedOperatorState()) {
                read(operator, unreadable, () -> operators(handle, loader), "operator", found);
            }
        }
        found.values().forEach(one -> one.put("operator", operator.getOperatorID().toHexString()));
        return new ArrayList<>(found.values());
    }

    /** Flink 2.x writes names into savepoints. */
    static String operatorName(OperatorState state) {
        try {
            Method method = OperatorState.class.getMethod("getOperatorName");
            return ((java.util.Optional<?>) method.invoke(state)).map(String::valueOf).orElse(null);
        } catch (ReflectiveOperationException older) {
            return null;
        }
    }

    /** Its keyed states; none where they cannot be read. */
    static Collection<StateMetaInfoSnapshot> keyed(OperatorState operator, ClassLoader loader) {
        List<KeyedStateHandle> handles = new ArrayList<>();
        operator.getStates().forEach(subtask -> handles.addAll(subtask.getManagedKeyedState()));
        return byName(handles, loader).values();
    }

    private interface Reading {
        List<StateMetaInfoSnapshot> read() throws Exception;
    }

    private static void read(
            OperatorState operator,
            List<String> unreadable,
            Reading reading,
            String kind,
            Map<String, Map<String, Object>> found) {
        try {
            for (StateMetaInfoSnapshot one : reading.read()) {
                found.computeIfAbsent(kind + "\n" + one.getName(), key -> described(one, kind));
            }
        } catch (Exception | LinkageError problem) {
            String text = operator.getOperatorID().toHexString() + ": " + Causes.root(problem);
            if (!unreadable.contains(text)) {
                unreadable.add(text);
            }
        }
    }

    private static Map<String, Object> described(StateMetaInfoSnapshot one, String kind) {
        Map<String, Object> state = new LinkedHashMap<>();
        state.put("name", one.getName());
        state.put("kind", kind);
        String type = one.getOption(StateMetaInfoSnapshot.CommonOptionsKeys.KEYED_STATE_TYPE);
        state.put("type", type != null ? type : one.getBackendStateType().name());
        Object serializer = one.getTypeSerializerSnapshot(StateMetaInfoSnapshot.CommonSerializerKeys.VALUE_SERIALIZER);
        state.put("serializer", serializer == null ? null : serializer.getClass().getName());
        return state;
    }

    static List<StateMetaInfoSnapshot> keyed(KeyedStateHandle handle, ClassLoader loader) throws IOException {
        if (handle instanceof ChangelogStateBackendHandle changelog) {
            List<StateMetaInfoSnapshot> all = new ArrayList<>();
            for (KeyedStateHandle one : changelog.getMaterializedStateHandles()) {
                all.addAll(keyed(one, loader));
            }
            return all;
        }
        StreamStateHandle stream;
        if (handle instanceof IncrementalRemoteKeyedStateHandle incremental) {
            stream = incremental.getMetaDataStateHandle();
        } else if (handle instanceof KeyGroupsStateHandle groups) {
            stream = groups;
        } else {
            throw new IOException("state handles of " + handle.getClass().getName() + " are not described");
        }
        KeyedBackendSerializationProxy<?> proxy = new KeyedBackendSerializationProxy<>(loader);
        try (FSDataInputStream input = stream.openInputStream()) {
            proxy.read(new DataInputViewStreamWrapper(input));
        }
        return proxy.getStateMetaInfoSnapshots();
    }

    /** The snapshot of the serializers of a subtask's keyed states, by name; empty where they cannot be read. */
    static Map<String, StateMetaInfoSnapshot> byName(Collection<KeyedStateHandle> handles, ClassLoader loader) {
        Map<String, StateMetaInfoSnapshot> found = new LinkedHashMap<>();
        for (KeyedStateHandle handle : handles) {
            try {
                for (StateMetaInfoSnapshot one : keyed(handle, loader)) {
                    found.put(one.getName(), one);
                }
            } catch (IOException | RuntimeException | LinkageError unknown) {
                return found; // restoring it will say why
            }
        }
        return found;
    }

    private static List<StateMetaInfoSnapshot> operators(OperatorStateHandle handle, ClassLoader loader)
            throws IOException {
        OperatorBackendSerializationProxy proxy = new OperatorBackendSerializationProxy(loader);
        try (FSDataInputStream input = handle.openInputStream()) {
            proxy.read(new DataInputViewStreamWrapper(input));
        }
        List<StateMetaInfoSnapshot> all = new ArrayList<>(proxy.getOperatorStateMetaInfoSnapshots());
        all.addAll(proxy.getBroadcastStateMetaInfoSnapshots());
        return all;
    }
}
