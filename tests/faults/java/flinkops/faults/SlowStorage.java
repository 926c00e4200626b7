package flinkops.faults;

import java.io.IOException;
import java.util.List;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.core.fs.Path;
import org.apache.flink.runtime.state.CheckpointStateOutputStream;
import org.apache.flink.runtime.state.CheckpointStorage;
import org.apache.flink.runtime.state.CheckpointStorageAccess;
import org.apache.flink.runtime.state.CheckpointStorageFactory;
import org.apache.flink.runtime.state.CheckpointStorageLocationReference;
import org.apache.flink.runtime.state.CheckpointStreamFactory;
import org.apache.flink.runtime.state.CheckpointedStateScope;
import org.apache.flink.runtime.state.CompletedCheckpointStorageLocation;
import org.apache.flink.runtime.state.StreamStateHandle;
import org.apache.flink.runtime.state.filesystem.FsCheckpointStorageAccess;

/** The local disk, as a checkpoint storage that takes some seconds for each file, or takes none any more after a while. */
public final class SlowStorage implements CheckpointStorage {
    public static final ConfigOption<Long> FILE_MILLIS = ConfigOptions.key("lab.storage.file-ms").longType().defaultValue(0L);
    public static final ConfigOption<Long> READ_ONLY_FROM_CHECKPOINT = ConfigOptions.key("lab.storage.read-only-from-checkpoint").longType().defaultValue(Long.MAX_VALUE);
    public static final ConfigOption<String> REFUSAL = ConfigOptions.key("lab.storage.refusal").stringType().defaultValue("Read-only file system");
    private static final int INLINE_BYTES = 1024;
    private static final int BUFFER_BYTES = 4096;

    private final Path folder;
    private final long fileMillis;
    private final long readOnlyFrom;
    private final String refusal;

    private SlowStorage(Path folder, long fileMillis, long readOnlyFrom, String refusal) {
        this.folder = folder;
        this.fileMillis = fileMillis;
        this.refusal = refusal;
        this.readOnlyFrom = readOnlyFrom;
    }

    /** For execution.checkpointing.storage. */
    public static final class Factory implements CheckpointStorageFactory<SlowStorage> {
        @Override
        public SlowStorage createFromConfig(ReadableConfig config, ClassLoader loader) {
            return new SlowStorage(
                    new Path(config.get(CheckpointingOptions.CHECKPOINTS_DIRECTORY)), config.get(FILE_MILLIS), config.get(READ_ONLY_FROM_CHECKPOINT), config.get(REFUSAL));
        }
    }

    @Override
    public CompletedCheckpointStorageLocation resolveCheckpoint(String pointer) throws IOException {
        return FsCheckpointStorageAccess.resolveCheckpointPointer(pointer);
    }

    @Override
    public CheckpointStorageAccess createCheckpointStorage(JobID job) throws IOException {
        return new FsCheckpointStorageAccess(folder, null, job, INLINE_BYTES, BUFFER_BYTES) {
            @Override
            public CheckpointStreamFactory resolveCheckpointStorageLocation(long id, CheckpointStorageLocationReference reference) throws IOException {
                return new Files(super.resolveCheckpointStorageLocation(id, reference), fileMillis, id >= readOnlyFrom ? folder + ": " + refusal : "");
            }
        };
    }

    private static final class Files implements CheckpointStreamFactory {
        private final CheckpointStreamFactory disk;
        private final long fileMillis;
        private final String refusal;

        Files(CheckpointStreamFactory disk, long fileMillis, String refusal) {
            this.disk = disk;
            this.fileMillis = fileMillis;
            this.refusal = refusal;
        }

        @Override
        public CheckpointStateOutputStream createCheckpointStateOutputStream(CheckpointedStateScope scope) throws IOException {
            return new File(disk.createCheckpointStateOutputStream(scope), fileMillis, refusal);
        }

        @Override
        public boolean canFastDuplicate(StreamStateHandle handle, CheckpointedStateScope scope) throws IOException {
            return disk.canFastDuplicate(handle, scope);
        }

        @Override
        public List<StreamStateHandle> duplicate(List<StreamStateHandle> handles, CheckpointedStateScope scope) throws IOException {
            return disk.duplicate(handles, scope);
        }
    }

    private static final class File extends CheckpointStateOutputStream {
        private static final long STEP_MILLIS = 50;
        private final CheckpointStateOutputStream disk;
        private final long millis;
        private final String refusal;
        private volatile boolean closed;

        File(CheckpointStateOutputStream disk, long millis, String refusal) {
            this.disk = disk;
            this.millis = millis;
            this.refusal = refusal;
        }

        /** Written when the storage says so; a checkpoint that is given up closes the stream meanwhile. */
        @Override
        public StreamStateHandle closeAndGetHandle() throws IOException {
            if (!refusal.isEmpty()) {
                throw new IOException(refusal);
            }
            long ends = System.nanoTime() + millis * 1_000_000L;
            while (System.nanoTime() < ends) {
                if (closed) {
                    throw new IOException("closed while the storage was writing");
                }
                try {
                    Thread.sleep(STEP_MILLIS);
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    throw new IOException("interrupted while the storage was writing");
                }
            }
            return disk.closeAndGetHandle();
        }

        @Override
        public void write(int value) throws IOException {
            disk.write(value);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            disk.write(bytes, offset, length);
        }

        @Override
        public long getPos() throws IOException {
            return disk.getPos();
        }

        @Override
        public void flush() throws IOException {
            disk.flush();
        }

        @Override
        public void sync() throws IOException {
            disk.sync();
        }

        @Override
        public void close() throws IOException {
            closed = true;
            disk.close();
        }
    }
}
