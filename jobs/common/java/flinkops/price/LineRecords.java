package flinkops.price;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.apache.flink.core.fs.Path;

/**
 * JSON lines, plain or gzip (by the name's ending). Lines are bytes here: what is no UTF-8 still reaches the
 * dead letters as it is. Empty lines are no records. Of a line that is too long the beginning is returned, so
 * that a file without line ends does not fill the memory.
 */
final class LineRecords implements RawRecords {
    private static final int BUFFER_BYTES = 1 << 16;
    private static final int MAX_LINE_BYTES = 16 << 20;

    private final InputStream input;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private int from;
    private int to;
    private long lines;
    private long length;

    /** `content`: of the whole file, when it is in memory already. */
    LineRecords(Path path, byte[] content) throws IOException {
        InputStream file = content == null ? path.getFileSystem().open(path) : new ByteArrayInputStream(content);
        boolean gzip = path.getName().endsWith(".gz");
        input = gzip ? new GZIPInputStream(file, BUFFER_BYTES) : new BufferedInputStream(file, BUFFER_BYTES);
    }

    @Override
    public byte[] next() throws IOException {
        byte[] raw = nextLine();
        while (raw != null && raw.length == 0) {
            raw = nextLine();
        }
        return raw;
    }

    @Override
    public long position() {
        return lines - 1;
    }

    @Override
    public long length() {
        return length;
    }

    private byte[] nextLine() throws IOException {
        length = 0;
        ByteArrayOutputStream start = null;
        while (true) {
            for (int i = from; i < to; i++) {
                if (buffer[i] == '\n') {
                    byte[] raw = lineUpTo(start, i);
                    from = i + 1;
                    return raw;
                }
            }
            if (to > from) {
                start = start == null ? new ByteArrayOutputStream(2 * (to - from)) : start;
                keep(start, to);
            }
            from = 0;
            to = Math.max(0, input.read(buffer));
            if (to == 0) {
                return start == null ? null : lineUpTo(start, 0);
            }
        }
    }

    /** Adds the content of the buffer before `end` to the beginning of the line. */
    private void keep(ByteArrayOutputStream start, int end) {
        start.write(buffer, from, Math.min(end - from, MAX_LINE_BYTES - start.size()));
        length += end - from;
    }

    private byte[] lineUpTo(ByteArrayOutputStream start, int end) {
        lines++;
        byte[] raw;
        if (start == null) {
            raw = Arrays.copyOfRange(buffer, from, end);
            length = raw.length;
        } else {
            keep(start, end);
            raw = start.toByteArray();
        }
        if (raw.length == length && raw.length > 0 && raw[raw.length - 1] == '\r') {
            length--;
            return Arrays.copyOf(raw, raw.length - 1);
        }
        return raw;
    }

    @Override
    public void close() throws IOException {
        input.close();
    }
}
