package flinkops.price;

/** The convention by which flinkops recognises what a job measures of itself; see docs/price-aggregation.md. */
final class Metrics {
    static final String GROUP = "flinkops";
    static final String LATENCY = "processingLatencyMs";
    static final String ACCEPTED = "acceptedRecords";
    static final String UNCHANGED = "unchangedDropped";
    static final String UNCHANGED_RATE = "unchangedDroppedPerSecond";
    static final String LATE = "lateRecords";
    /** Followed by the reason. */
    static final String MALFORMED = "malformed_";

    private Metrics() {}
}
