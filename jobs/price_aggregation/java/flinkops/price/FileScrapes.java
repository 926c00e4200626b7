package flinkops.price;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.ArrayResultIterator;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;

/**
 * JSON lines, plain or gzip (by the name's ending). Lines are bytes here: what is no UTF-8 still reaches the
 * dead letters as it is. Empty lines are no records.
 */
final class FileScrapes implements BulkFormat<Scrape, FileSourceSplit> {
    private static final long serialVersionUID = 1L;

    /** A file has fewer lines than this, so that no two lines have the same sequence number. */
    static final int LINE_BITS = 38;

    private static final int BATCH_RECORDS = 512;
    private static final int BATCH_BYTES = 1 << 20;
    private static final int BUFFER_BYTES = 1 << 16;

    @Override
    public BulkFormat.Reader<Scrape> createReader(Configuration config, FileSourceSplit split) throws IOException {
        return new LineReader(split, 0);
    }

    @Override
    public BulkFormat.Reader<Scrape> restoreReader(Configuration config, FileSourceSplit split) throws IOException {
        long skipped = split.getReaderPosition().map(CheckpointedPosition::getRecordsAfterOffset).orElse(0L);
        return new LineReader(split, skipped);
    }

    @Override
    public boolean isSplittable() {
        return false;
    }

    @Override
    public TypeInformation<Scrape> getProducedType() {
        return TypeInformation.of(Scrape.class);
    }

    /** Fills in where a record of a file stands. */
    static Scrape at(FileSourceSplit split, long position) {
        Scrape scrape = new Scrape();
        scrape.source = split.path().toString();
        scrape.position = position;
        scrape.sequence = (Long.parseLong(split.splitId()) << LINE_BITS) + position;
        return scrape;
    }

    private static final class LineReader implements BulkFormat.Reader<Scrape> {
        private final ScrapeParser parser = new ScrapeParser();
        private final FileSourceSplit split;
        private final InputStream input;
        private final byte[] buffer = new byte[BUFFER_BYTES];
        private int from;
        private int to;
        private long line;
        private long records;

        LineReader(FileSourceSplit split, long recordsToSkip) throws IOException {
            this.split = split;
            InputStream file = split.path().getFileSystem().open(split.path());
            boolean gzip = split.path().getName().endsWith(".gz");
            input = gzip ? new GZIPInputStream(file, BUFFER_BYTES) : new BufferedInputStream(file, BUFFER_BYTES);
            while (records < recordsToSkip && nextRecord() != null) {
                records++;
            }
        }

        @Override
        public BulkFormat.RecordIterator<Scrape> readBatch() throws IOException {
            Scrape[] batch = new Scrape[BATCH_RECORDS];
            int size = 0;
            long bytes = 0;
            while (size < BATCH_RECORDS && bytes < BATCH_BYTES) {
                byte[] raw = nextRecord();
                if (raw == null) {
                    break;
                }
                Scrape scrape = at(split, line - 1);
                scrape.raw = raw;
                parser.parse(scrape);
                bytes += raw.length;
                batch[size++] = scrape;
            }
            if (size == 0) {
                return null;
            }
            ArrayResultIterator<Scrape> iterator = new ArrayResultIterator<>();
            iterator.set(batch, size, CheckpointedPosition.NO_OFFSET, records);
            records += size;
            return iterator;
        }

        @Override
        public void close() throws IOException {
            input.close();
        }

        /** The next line that is not empty; null at the end. */
        private byte[] nextRecord() throws IOException {
            byte[] raw = nextLine();
            while (raw != null && raw.length == 0) {
                raw = nextLine();
            }
            return raw;
        }

        private byte[] nextLine() throws IOException {
            ByteArrayOutputStream start = null;
            while (true) {
                for (int i = from; i < to; i++) {
                    if (buffer[i] == '\n') {
                        byte[] raw = lineUpTo(start, i);
                        from = i + 1;
                        line++;
                        return raw;
                    }
                }
                if (to > from) {
                    start = start == null ? new ByteArrayOutputStream(2 * (to - from)) : start;
                    start.write(buffer, from, to - from);
                }
                from = 0;
                to = Math.max(0, input.read(buffer));
                if (to == 0) {
                    line++;
                    return start == null ? null : lineUpTo(start, 0);
                }
            }
        }

        private byte[] lineUpTo(ByteArrayOutputStream start, int end) {
            byte[] raw;
            if (start == null) {
                raw = Arrays.copyOfRange(buffer, from, end);
            } else {
                start.write(buffer, from, end - from);
                raw = start.toByteArray();
            }
            int length = raw.length;
            return length > 0 && raw[length - 1] == '\r' ? Arrays.copyOf(raw, length - 1) : raw;
        }
    }
}
