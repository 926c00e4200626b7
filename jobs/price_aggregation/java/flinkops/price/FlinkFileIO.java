package flinkops.price;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.fs.FSDataOutputStream;
import org.apache.flink.core.fs.FileSystem.WriteMode;
import org.apache.flink.core.fs.Path;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.io.InputFile;
import org.apache.iceberg.io.OutputFile;
import org.apache.iceberg.io.PositionOutputStream;
import org.apache.iceberg.io.SeekableInputStream;

/**
 * Iceberg's files through Flink's own file systems: a warehouse lies wherever checkpoints can, with the same plug-in,
 * endpoint and log-in, and without a second client library. What Iceberg writes never replaces a file: its names are
 * unique, and the catalog decides which of them count.
 */
public final class FlinkFileIO implements FileIO {
    private static final long serialVersionUID = 1L;

    @Override
    public InputFile newInputFile(String location) {
        return new Input(location);
    }

    @Override
    public OutputFile newOutputFile(String location) {
        return new Output(location);
    }

    @Override
    public void deleteFile(String location) {
        Path path = new Path(location);
        try {
            path.getFileSystem().delete(path, false);
        } catch (IOException e) {
            throw failure(location, e);
        }
    }

    private static RuntimeException failure(String location, IOException cause) {
        if (cause instanceof FileNotFoundException) {
            return new NotFoundException(cause, "%s does not exist", location);
        }
        return new UncheckedIOException(location, cause);
    }

    private static final class Input implements InputFile {
        private final String location;
        private final Path path;

        Input(String location) {
            this.location = location;
            this.path = new Path(location);
        }

        @Override
        public long getLength() {
            try {
                return path.getFileSystem().getFileStatus(path).getLen();
            } catch (IOException e) {
                throw failure(location, e);
            }
        }

        @Override
        public SeekableInputStream newStream() {
            try {
                return new Reading(path.getFileSystem().open(path));
            } catch (IOException e) {
                throw failure(location, e);
            }
        }

        @Override
        public String location() {
            return location;
        }

        @Override
        public boolean exists() {
            try {
                return path.getFileSystem().exists(path);
            } catch (IOException e) {
                throw failure(location, e);
            }
        }
    }

    private static final class Output implements OutputFile {
        private final String location;
        private final Path path;

        Output(String location) {
            this.location = location;
            this.path = new Path(location);
        }

        @Override
        public PositionOutputStream create() {
            if (toInputFile().exists()) {
                throw new AlreadyExistsException("%s exists", location);
            }
            return open(WriteMode.NO_OVERWRITE);
        }

        @Override
        public PositionOutputStream createOrOverwrite() {
            return open(WriteMode.OVERWRITE);
        }

        private PositionOutputStream open(WriteMode mode) {
            try {
                return new Writing(path.getFileSystem().create(path, mode));
            } catch (IOException e) {
                throw failure(location, e);
            }
        }

        @Override
        public String location() {
            return location;
        }

        @Override
        public InputFile toInputFile() {
            return new Input(location);
        }
    }

    private static final class Reading extends SeekableInputStream {
        private final FSDataInputStream stream;

        Reading(FSDataInputStream stream) {
            this.stream = stream;
        }

        @Override
        public long getPos() throws IOException {
            return stream.getPos();
        }

        @Override
        public void seek(long position) throws IOException {
            stream.seek(position);
        }

        @Override
        public int read() throws IOException {
            return stream.read();
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            return stream.read(into, from, length);
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }
    }

    /** Object stores have a file once its stream is closed, whole. */
    private static final class Writing extends PositionOutputStream {
        private final FSDataOutputStream stream;

        Writing(FSDataOutputStream stream) {
            this.stream = stream;
        }

        @Override
        public long getPos() throws IOException {
            return stream.getPos();
        }

        @Override
        public void write(int one) throws IOException {
            stream.write(one);
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            stream.write(bytes, from, length);
        }

        @Override
        public void flush() throws IOException {
            stream.flush();
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }
    }
}
