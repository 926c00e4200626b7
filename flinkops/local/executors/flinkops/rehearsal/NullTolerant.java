package flinkops.rehearsal;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * The real serializer of an enumerator's state; it writes nothing for null, which one without restored state has. That it
 * cannot read is noted: Flink 2.3's adaptive scheduler runs such a job all the same, and completes no checkpoint.
 */
final class NullTolerant<T> implements SimpleVersionedSerializer<T> {
    private final SimpleVersionedSerializer<T> real;

    NullTolerant(SimpleVersionedSerializer<T> real) {
        this.real = real;
    }

    @Override
    public int getVersion() {
        return real.getVersion();
    }

    @Override
    public byte[] serialize(T value) throws IOException {
        return value == null ? new byte[0] : real.serialize(value);
    }

    @Override
    public T deserialize(int version, byte[] bytes) throws IOException {
        try {
            return real.deserialize(version, bytes);
        } catch (IOException | RuntimeException | LinkageError problem) {
            Recorder.refused = problem;
            throw problem;
        }
    }
}
