package flinkops.price;

import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.ArrayResultIterator;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;

/** Files to Scrapes: Parquet by the name's ending, everything else as JSON lines. */
final class FileScrapes implements BulkFormat<Scrape, FileSourceSplit> {
    private static final long serialVersionUID = 1L;

    /** A file has fewer than 2^38 lines, so that no two lines have the same sequence number. */
    private static final int LINE_BITS = 38;

    private static final int BATCH_RECORDS = 512;
    private static final int BATCH_BYTES = 1 << 20;

    private transient ReadAhead ahead;

    @Override
    public BulkFormat.Reader<Scrape> createReader(Configuration config, FileSourceSplit split) throws IOException {
        return new Reader(split, 0, content(split));
    }

    @Override
    public BulkFormat.Reader<Scrape> restoreReader(Configuration config, FileSourceSplit split) throws IOException {
        long read = split.getReaderPosition().map(CheckpointedPosition::getRecordsAfterOffset).orElse(0L);
        return new Reader(split, read, content(split));
    }

    private byte[] content(FileSourceSplit split) throws IOException {
        ahead = ahead == null ? new ReadAhead() : ahead;
        return ahead.contentOf(split);
    }

    @Override
    public boolean isSplittable() {
        return false;
    }

    @Override
    public TypeInformation<Scrape> getProducedType() {
        return TypeInformation.of(Scrape.class);
    }

    private static final class Reader implements BulkFormat.Reader<Scrape> {
        private final ScrapeParser parser = new ScrapeParser();
        private final String source;
        private final long firstSequence;
        private final RawRecords file;
        private long records;

        /** `content`: of the whole file, null where it is to be read by a stream. */
        Reader(FileSourceSplit split, long recordsToSkip, byte[] content) throws IOException {
            source = split.path().toString();
            firstSequence = Long.parseLong(split.splitId()) << LINE_BITS;
            boolean parquet = split.path().getName().endsWith(".parquet");
            file = parquet ? new ParquetRecords(split.path(), content) : new LineRecords(split.path(), content);
            while (records < recordsToSkip && file.next() != null) {
                records++;
            }
        }

        @Override
        public BulkFormat.RecordIterator<Scrape> readBatch() throws IOException {
            Scrape[] batch = new Scrape[BATCH_RECORDS];
            int size = 0;
            long bytes = 0;
            while (size < BATCH_RECORDS && bytes < BATCH_BYTES) {
                byte[] raw = file.next();
                if (raw == null) {
                    break;
                }
                batch[size++] = scrape(raw);
                bytes += raw.length;
            }
            if (size == 0) {
                return null;
            }
            ArrayResultIterator<Scrape> iterator = new ArrayResultIterator<>();
            iterator.set(batch, size, CheckpointedPosition.NO_OFFSET, records);
            records += size;
            return iterator;
        }

        private Scrape scrape(byte[] raw) {
            Scrape scrape = new Scrape();
            scrape.source = source;
            scrape.position = file.position();
            scrape.sequence = firstSequence + scrape.position;
            scrape.raw = raw;
            scrape.rawBytes = file.length();
            parser.parse(scrape);
            return scrape;
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
