package flinkops.rehearsal;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.InputStatus;

/** Has the splits that were restored, and reads none of them. */
final class IdleReader<T, S extends SourceSplit> implements SourceReader<T, S> {
    private final List<S> splits = new ArrayList<>();
    private final CompletableFuture<Void> never = new CompletableFuture<>();

    @Override
    public void start() {}

    @Override
    public InputStatus pollNext(ReaderOutput<T> output) {
        return InputStatus.NOTHING_AVAILABLE;
    }

    @Override
    public List<S> snapshotState(long checkpointId) {
        return new ArrayList<>(splits);
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
        return never;
    }

    @Override
    public void addSplits(List<S> restored) {
        splits.addAll(restored);
    }

    @Override
    public void notifyNoMoreSplits() {}

    @Override
    public void close() {
        never.complete(null);
    }
}
