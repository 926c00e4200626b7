package flinkops.price;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.TimestampType;
import org.apache.flink.table.types.logical.VarBinaryType;
import org.apache.flink.table.types.logical.VarCharType;
import org.apache.flink.util.OutputTag;

/** The rows between the operators, as Flink's own binary rows: cheap to ship, no Kryo. */
final class Rows {
    private static final LogicalType TEXT = new VarCharType(false, VarCharType.MAX_LENGTH);
    private static final LogicalType LONG = new BigIntType(false);

    /** Accepted scrapes, on their way to the deduplication. */
    static final int SHARD = 0;
    static final int SKU = 1;
    static final int CURRENCY = 2;
    static final int RETAILER = 3;
    static final int PRICE_E4 = 4;
    static final int SCRAPED_AT = 5;
    static final int SEQUENCE = 6;
    static final int INGESTED_AT = 7;

    static final InternalTypeInfo<RowData> ACCEPTED =
            InternalTypeInfo.ofFields(
                    new LogicalType[] {new IntType(false), TEXT, TEXT, TEXT, LONG, LONG, LONG, LONG},
                    new String[] {
                        "shard", "sku", "currency", "retailer", "price_e4", "scraped_at", "sequence", "ingested_at"
                    });

    /** Price changes; `order_time` and `sequence` decide which of two is the later one in the chosen order. */
    static final InternalTypeInfo<RowData> CHANGES =
            InternalTypeInfo.ofFields(
                    new LogicalType[] {
                        TEXT,
                        TEXT,
                        new DecimalType(false, Prices.PRECISION, Prices.SCALE),
                        new TimestampType(false, 3),
                        LONG,
                        LONG
                    },
                    new String[] {"sku", "currency", "price", "scraped_at", "order_time", "sequence"});

    static final InternalTypeInfo<RowData> DEAD_LETTERS =
            InternalTypeInfo.ofFields(
                    new LogicalType[] {
                        TEXT,
                        VarCharType.STRING_TYPE,
                        new IntType(),
                        LONG,
                        new TimestampType(3),
                        new VarBinaryType(VarBinaryType.MAX_LENGTH),
                        LONG
                    },
                    new String[] {
                        "reason", "source", "source_partition", "source_position", "ingested_at", "raw", "raw_bytes"
                    });

    static final OutputTag<RowData> DEAD_LETTER = new OutputTag<>("dead-letters", DEAD_LETTERS);

    private Rows() {}
}
