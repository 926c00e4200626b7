package flinkops.rehearsal;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** The real serializer; it writes nothing for null, which an enumerator without restored state has. */
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
        return real.deserialize(version, bytes);
    }
}
