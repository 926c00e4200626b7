package flinkops.price;

/**
 * One record of the input: its bytes, its position in the input, and the result of parsing it. A POJO, so
 * that Flink serializes it without Kryo wherever the source is not chained to what follows.
 */
public final class Scrape {
    /** The value of a time that is missing. */
    public static final long NO_TIME = Long.MIN_VALUE;

    /** The record as it came, its beginning where it is too long for one; of a Parquet row, its text as JSON. */
    public byte[] raw;
    /** How long the record is. */
    public long rawBytes;
    /** The topic or the file. */
    public String source;
    /** The Kafka partition; 0 for an archive, whose files are one sequence. */
    public int partition;
    /** The offset in the partition, or the number of the line or row in the file, from 0. */
    public long position;
    /** Grows in the order of arrival within a partition. */
    public long sequence;
    /** Milliseconds since the epoch, or NO_TIME. */
    public long ingestedAt = NO_TIME;

    /** Why the record is malformed; null when it is not. The fields below hold only when it is null. */
    public String reason;
    public String sku;
    public String currency;
    public String retailer;
    /** The price times 10,000: a DECIMAL(18, 4) without its point. */
    public long priceE4;
    /** Milliseconds since the epoch. */
    public long scrapedAt = NO_TIME;
    /** Whether the shop has it; null when the record does not contain it. Never a reason to reject a record. */
    public Boolean inStock;
}
