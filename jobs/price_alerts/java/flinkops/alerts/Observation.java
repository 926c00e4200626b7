package flinkops.alerts;

/** One scrape of one product in one shop. A POJO, so that Flink ships it without Kryo. */
public final class Observation {
    /** The price of a scrape that has only the availability. */
    public static final long NO_PRICE = -1;

    public String sku;
    public String retailer;
    public String currency;
    /** The price times 10,000, or NO_PRICE. */
    public long priceE4;
    /** Null when the scrape does not contain it. */
    public Boolean inStock;
    /** Milliseconds since the epoch. */
    public long scrapedAt;
    /** Milliseconds since the epoch, or Scrape.NO_TIME. */
    public long ingestedAt;
}
