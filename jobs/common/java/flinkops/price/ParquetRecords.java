package flinkops.price;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.fs.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.json.JsonWriteFeature;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.json.JsonMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.io.DelegatingSeekableInputStream;
import org.apache.parquet.io.InputFile;
import org.apache.parquet.io.SeekableInputStream;
import org.apache.parquet.schema.LogicalTypeAnnotation.DecimalLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimestampLogicalTypeAnnotation;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;

/**
 * Rows of a Parquet file, each as the equivalent JSON: one meaning for both forms of an archive,
 * whatever types the columns have. Timestamps are taken as UTC.
 */
final class ParquetRecords implements RawRecords {
    private final ObjectMapper json = JsonMapper.builder().disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS).build();
    private final ParquetReader<Group> rows;
    private long read;
    private long length;

    /** `content`: of the whole file, when it is in memory already. */
    ParquetRecords(Path path, byte[] content) throws IOException {
        rows = new Builder(content == null ? new FlinkFile(path) : new Content(content)).build();
    }

    @Override
    public byte[] next() throws IOException {
        Group row = rows.read();
        if (row == null) {
            return null;
        }
        read++;
        ObjectNode object = json.createObjectNode();
        for (int i = 0; i < row.getType().getFieldCount(); i++) {
            Type type = row.getType().getType(i);
            if (type.isPrimitive() && row.getFieldRepetitionCount(i) == 1) {
                put(object, type.asPrimitiveType(), row, i);
            }
        }
        byte[] raw = json.writeValueAsString(object).getBytes(StandardCharsets.UTF_8);
        length = raw.length;
        return raw;
    }

    @Override
    public long length() {
        return length;
    }

    @Override
    public long position() {
        return read - 1;
    }

    private static void put(ObjectNode object, PrimitiveType type, Group row, int field) {
        String name = type.getName();
        if (type.getLogicalTypeAnnotation() instanceof DecimalLogicalTypeAnnotation) {
            int scale = ((DecimalLogicalTypeAnnotation) type.getLogicalTypeAnnotation()).getScale();
            object.put(name, new BigDecimal(unscaled(type, row, field), scale));
            return;
        }
        if (type.getLogicalTypeAnnotation() instanceof TimestampLogicalTypeAnnotation) {
            object.put(name, time((TimestampLogicalTypeAnnotation) type.getLogicalTypeAnnotation(), row, field));
            return;
        }
        switch (type.getPrimitiveTypeName()) {
            case DOUBLE:
                object.put(name, row.getDouble(field, 0));
                break;
            case FLOAT:
                object.put(name, row.getFloat(field, 0));
                break;
            case INT32:
                object.put(name, row.getInteger(field, 0));
                break;
            case INT64:
                object.put(name, row.getLong(field, 0));
                break;
            case BOOLEAN:
                object.put(name, row.getBoolean(field, 0));
                break;
            default:
                object.put(name, row.getBinary(field, 0).toStringUsingUTF8());
        }
    }

    private static BigInteger unscaled(PrimitiveType type, Group row, int field) {
        switch (type.getPrimitiveTypeName()) {
            case INT32:
                return BigInteger.valueOf(row.getInteger(field, 0));
            case INT64:
                return BigInteger.valueOf(row.getLong(field, 0));
            default:
                return new BigInteger(row.getBinary(field, 0).getBytes());
        }
    }

    private static String time(TimestampLogicalTypeAnnotation type, Group row, int field) {
        ChronoUnit unit = ChronoUnit.valueOf(type.getUnit().name());
        return Instant.EPOCH.plus(row.getLong(field, 0), unit).toString();
    }

    @Override
    public void close() throws IOException {
        rows.close();
    }

    private static final class Builder extends ParquetReader.Builder<Group> {
        Builder(InputFile file) {
            super(file);
        }

        @Override
        protected ReadSupport<Group> getReadSupport() {
            return new GroupReadSupport();
        }
    }

    /** A file in memory. */
    private static final class Content implements InputFile {
        private final byte[] bytes;

        Content(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public long getLength() {
            return bytes.length;
        }

        @Override
        public SeekableInputStream newStream() {
            SeekableBytes stream = new SeekableBytes(bytes);
            return new DelegatingSeekableInputStream(stream) {
                @Override
                public long getPos() {
                    return stream.position();
                }

                @Override
                public void seek(long position) {
                    stream.seek(position);
                }
            };
        }
    }

    private static final class SeekableBytes extends ByteArrayInputStream {
        SeekableBytes(byte[] bytes) {
            super(bytes);
        }

        long position() {
            return pos;
        }

        void seek(long position) {
            pos = Math.toIntExact(position);
        }
    }

    /** Through Flink's file systems, as everything else of the job. */
    private static final class FlinkFile implements InputFile {
        private final Path path;

        FlinkFile(Path path) {
            this.path = path;
        }

        @Override
        public long getLength() throws IOException {
            return path.getFileSystem().getFileStatus(path).getLen();
        }

        @Override
        public SeekableInputStream newStream() throws IOException {
            FSDataInputStream stream = path.getFileSystem().open(path);
            return new DelegatingSeekableInputStream(stream) {
                @Override
                public long getPos() throws IOException {
                    return stream.getPos();
                }

                @Override
                public void seek(long position) throws IOException {
                    stream.seek(position);
                }
            };
        }
    }
}
