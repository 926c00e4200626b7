package flinkops.price;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.ArrayResultIterator;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.connector.file.src.util.RecordAndPosition;
import org.apache.flink.formats.parquet.ParquetColumnarRowInputFormat;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.json.JsonWriteFeature;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.json.JsonMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/**
 * Rows of Parquet files, each turned into the JSON that says the same and parsed as that: one meaning for both
 * forms of an archive.
 */
final class ParquetScrapes implements BulkFormat<Scrape, FileSourceSplit> {
    private static final long serialVersionUID = 1L;
    private static final int BATCH_RECORDS = 2048;

    private final RowType rowType;
    private final ParquetColumnarRowInputFormat<FileSourceSplit> rows;

    /** The columns that the files have, of those that a scrape has. */
    ParquetScrapes(RowType rowType) {
        this.rowType = rowType;
        this.rows =
                new ParquetColumnarRowInputFormat<>(
                        new org.apache.hadoop.conf.Configuration(),
                        rowType,
                        InternalTypeInfo.of(rowType),
                        BATCH_RECORDS,
                        true,
                        true);
    }

    @Override
    public BulkFormat.Reader<Scrape> createReader(Configuration config, FileSourceSplit split) throws IOException {
        return new RowReader(rowType, rows.createReader(config, split), split, 0);
    }

    @Override
    public BulkFormat.Reader<Scrape> restoreReader(Configuration config, FileSourceSplit split) throws IOException {
        long skipped = split.getReaderPosition().map(CheckpointedPosition::getRecordsAfterOffset).orElse(0L);
        FileSourceSplit whole =
                new FileSourceSplit(
                        split.splitId(), split.path(), split.offset(), split.length(),
                        split.fileModificationTime(), split.fileSize());
        return new RowReader(rowType, rows.createReader(config, whole), split, skipped);
    }

    @Override
    public boolean isSplittable() {
        return false;
    }

    @Override
    public TypeInformation<Scrape> getProducedType() {
        return TypeInformation.of(Scrape.class);
    }

    private static final class RowReader implements BulkFormat.Reader<Scrape> {
        private final ObjectMapper json =
                JsonMapper.builder().disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS).build();
        private final ScrapeParser parser = new ScrapeParser();
        private final RowType rowType;
        private final BulkFormat.Reader<RowData> rows;
        private final FileSourceSplit split;
        private final long skipped;
        private long position;

        RowReader(RowType rowType, BulkFormat.Reader<RowData> rows, FileSourceSplit split, long skipped) {
            this.rowType = rowType;
            this.rows = rows;
            this.split = split;
            this.skipped = skipped;
        }

        @Override
        public BulkFormat.RecordIterator<Scrape> readBatch() throws IOException {
            List<Scrape> batch = new ArrayList<>();
            while (batch.isEmpty()) {
                BulkFormat.RecordIterator<RowData> next = rows.readBatch();
                if (next == null) {
                    return null;
                }
                RecordAndPosition<RowData> row = next.next();
                for (; row != null; row = next.next()) {
                    if (position++ >= skipped) {
                        batch.add(scrape(row.getRecord()));
                    }
                }
                next.releaseBatch();
            }
            ArrayResultIterator<Scrape> iterator = new ArrayResultIterator<>();
            iterator.set(
                    batch.toArray(new Scrape[0]), batch.size(), CheckpointedPosition.NO_OFFSET,
                    position - batch.size());
            return iterator;
        }

        private Scrape scrape(RowData row) throws IOException {
            Scrape scrape = FileScrapes.at(split, position - 1);
            ObjectNode object = json.createObjectNode();
            for (int i = 0; i < rowType.getFieldCount(); i++) {
                if (!row.isNullAt(i)) {
                    put(object, rowType.getFieldNames().get(i), row, i);
                }
            }
            scrape.raw = json.writeValueAsString(object).getBytes(StandardCharsets.UTF_8);
            parser.parse(scrape);
            return scrape;
        }

        private void put(ObjectNode object, String name, RowData row, int field) {
            LogicalType type = rowType.getTypeAt(field);
            switch (type.getTypeRoot()) {
                case DOUBLE:
                    object.put(name, row.getDouble(field));
                    break;
                case FLOAT:
                    object.put(name, row.getFloat(field));
                    break;
                case INTEGER:
                    object.put(name, row.getInt(field));
                    break;
                case BIGINT:
                    object.put(name, row.getLong(field));
                    break;
                case DECIMAL:
                    int precision = org.apache.flink.table.types.logical.utils.LogicalTypeChecks.getPrecision(type);
                    int scale = org.apache.flink.table.types.logical.utils.LogicalTypeChecks.getScale(type);
                    object.put(name, row.getDecimal(field, precision, scale).toBigDecimal());
                    break;
                case TIMESTAMP_WITHOUT_TIME_ZONE:
                    object.put(name, row.getTimestamp(field, 9).toInstant().toString());
                    break;
                default:
                    object.put(name, row.getString(field).toString());
            }
        }

        @Override
        public void close() throws IOException {
            rows.close();
        }
    }
}
