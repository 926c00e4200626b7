package flinkops.price;

/** The convention by which flinkops recognises what a job measures of itself; see docs/price-aggregation.md and docs/price-alerts.md. */
public final class Metrics {
    public static final String GROUP = "flinkops";
    public static final String LATENCY = "processingLatencyMs";
    public static final String ACCEPTED = "acceptedRecords";
    public static final String UNCHANGED = "unchangedDropped";
    public static final String UNCHANGED_RATE = "unchangedDroppedPerSecond";
    public static final String LATE = "lateRecords";
    /** Followed by the reason. */
    public static final String MALFORMED = "malformed_";

    private Metrics() {}
}
