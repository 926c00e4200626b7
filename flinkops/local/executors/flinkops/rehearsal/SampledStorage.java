package flinkops.rehearsal;

import java.io.IOException;
import java.net.URI;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.runtime.state.CompletedCheckpointStorageLocation;
import org.apache.flink.runtime.state.StreamStateHandle;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;
import org.apache.flink.runtime.state.storage.FileSystemCheckpointStorage;

/** Checkpoints go to a scratch folder; of what is restored the metadata may be another one than the file's. */
final class SampledStorage extends FileSystemCheckpointStorage {
    private static final long serialVersionUID = 1L;

    /** In the place of the file's; null: as it is. The cluster runs in this process. */
    static volatile byte[] metadata;

    SampledStorage(URI folder) {
        super(folder);
    }

    @Override
    public FileSystemCheckpointStorage configure(ReadableConfig ignored, ClassLoader loader) {
        return this;
    }

    @Override
    public CompletedCheckpointStorageLocation resolveCheckpoint(String pointer) throws IOException {
        CompletedCheckpointStorageLocation place = super.resolveCheckpoint(pointer);
        byte[] given = metadata;
        if (given == null) {
            return place;
        }
        StreamStateHandle handle = new ByteStreamStateHandle("sample of " + pointer, given);
        return new CompletedCheckpointStorageLocation() {
            @Override
            public String getExternalPointer() {
                return place.getExternalPointer();
            }

            @Override
            public StreamStateHandle getMetadataHandle() {
                return handle;
            }

            @Override
            public void disposeStorageLocation() {
                // nothing of it is ours
            }
        };
    }
}
