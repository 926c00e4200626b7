package flinkops.rehearsal;

import java.util.List;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;

/** Has what was restored, null when nothing was, and asks nobody for splits. */
final class IdleEnumerator<S extends SourceSplit, C> implements SplitEnumerator<S, C> {
    private final C restored;

    IdleEnumerator(C restored) {
        this.restored = restored;
    }

    @Override
    public void start() {}

    @Override
    public void handleSplitRequest(int subtask, String host) {}

    @Override
    public void addSplitsBack(List<S> splits, int subtask) {}

    @Override
    public void addReader(int subtask) {}

    @Override
    public C snapshotState(long checkpointId) {
        return restored;
    }

    @Override
    public void close() {}
}
