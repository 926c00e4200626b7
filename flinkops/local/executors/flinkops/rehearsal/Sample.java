package flinkops.rehearsal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.StateObjectCollection;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedStateHandle;

/**
 * The keyed state of the first key groups of each operator, so many as come to about FLINKOPS_REHEARSAL_SAMPLE bytes.
 * Where a file holds those of a whole subtask (incremental checkpoints), that subtask's is taken whole. State that is
 * not keyed stays. The metadata is rewritten in memory; the files are the savepoint's own.
 */
final class Sample {
    private static final String VARIABLE = "FLINKOPS_REHEARSAL_SAMPLE";

    /** What it comes to: bytes of keyed state that are restored, and of all. */
    long bytes;

    long ofBytes;
    private double ratio;

    /** As asked for; null when all is restored. */
    static Sample asked(CheckpointMetadata saved) {
        String most = System.getenv(VARIABLE);
        if (most == null || most.isEmpty()) {
            return null;
        }
        Sample sample = new Sample();
        for (OperatorState operator : saved.getOperatorStates()) {
            for (OperatorSubtaskState subtask : operator.getStates()) {
                sample.ofBytes += size(subtask.getManagedKeyedState()) + size(subtask.getRawKeyedState());
            }
        }
        if (sample.ofBytes <= Long.parseLong(most)) {
            return null;
        }
        sample.ratio = Double.parseDouble(most) / sample.ofBytes;
        return sample;
    }

    /** The metadata with the sample alone; `saved` is changed to it. */
    byte[] take(CheckpointMetadata saved) throws IOException {
        for (OperatorState operator : saved.getOperatorStates()) {
            int groups = Math.max(1, (int) (ratio * operator.getMaxParallelism()));
            KeyGroupRange range = new KeyGroupRange(0, groups - 1);
            for (Map.Entry<Integer, OperatorSubtaskState> one :
                    new LinkedHashMap<>(operator.getSubtaskStates()).entrySet()) {
                OperatorSubtaskState state = one.getValue();
                if (!state.getManagedKeyedState().isEmpty() || !state.getRawKeyedState().isEmpty()) {
                    operator.putState(one.getKey(), state.toBuilder()
                            .setManagedKeyedState(of(state.getManagedKeyedState(), range))
                            .setRawKeyedState(of(state.getRawKeyedState(), range))
                            .build());
                }
            }
        }
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        Checkpoints.storeCheckpointMetadata(saved, written);
        return written.toByteArray();
    }

    private StateObjectCollection<KeyedStateHandle> of(Collection<KeyedStateHandle> handles, KeyGroupRange range) {
        List<KeyedStateHandle> kept = new ArrayList<>();
        for (KeyedStateHandle handle : handles) {
            KeyedStateHandle part = handle.getKeyGroupRange().getIntersection(range).getNumberOfKeyGroups() > 0
                    ? handle.getIntersection(range)
                    : null;
            if (part != null) {
                kept.add(part);
                bytes += part instanceof KeyGroupsStateHandle
                        ? handle.getStateSize() * part.getKeyGroupRange().getNumberOfKeyGroups()
                                / handle.getKeyGroupRange().getNumberOfKeyGroups()
                        : handle.getStateSize();
            }
        }
        return new StateObjectCollection<>(kept);
    }

    private static long size(Collection<KeyedStateHandle> handles) {
        return handles.stream().mapToLong(KeyedStateHandle::getStateSize).sum();
    }
}
