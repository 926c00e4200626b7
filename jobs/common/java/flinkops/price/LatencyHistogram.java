package flinkops.price;

import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.HistogramStatistics;

/**
 * Latencies of the last minute in buckets 1/32 wide or less: every record counts, none is kept. The task's
 * thread writes and the metrics' thread reads; a reader may miss the latest few records, nothing more.
 */
public final class LatencyHistogram implements Histogram {
    private static final int SLICES = 7; // six whole ones and the one being filled
    private static final long SLICE_NANOS = 10_000_000_000L;
    private static final int SUB_BITS = 5;
    private static final int SUB = 1 << SUB_BITS;
    /** Up to 2^40 ms; longer ones count as that. */
    private static final int BUCKETS = (40 - SUB_BITS + 1) * SUB;

    private final long[][] slices = new long[SLICES][BUCKETS];
    private long currentSlice = System.nanoTime() / SLICE_NANOS;
    private long count;

    @Override
    public void update(long millis) {
        advance();
        slices[(int) (currentSlice % SLICES)][bucket(millis)]++;
        count++;
    }

    @Override
    public long getCount() {
        return count;
    }

    @Override
    public HistogramStatistics getStatistics() {
        long[] total = new long[BUCKETS];
        long now = System.nanoTime() / SLICE_NANOS;
        for (long slice = Math.max(0, now - SLICES + 1); slice <= now; slice++) {
            // A slice that nothing was written to since it was last used holds old latencies.
            if (slice <= currentSlice) {
                long[] counts = slices[(int) (slice % SLICES)];
                for (int i = 0; i < BUCKETS; i++) {
                    total[i] += counts[i];
                }
            }
        }
        return new LatencyStatistics(total);
    }

    private void advance() {
        long now = System.nanoTime() / SLICE_NANOS;
        for (long slice = Math.max(currentSlice + 1, now - SLICES + 1); slice <= now; slice++) {
            java.util.Arrays.fill(slices[(int) (slice % SLICES)], 0);
        }
        currentSlice = now;
    }

    static int bucket(long millis) {
        long value = Math.max(0, millis);
        if (value < SUB) {
            return (int) value;
        }
        int shift = 63 - Long.numberOfLeadingZeros(value) - SUB_BITS;
        return (int) Math.min(BUCKETS - 1, (shift + 1L) * SUB + (value >>> shift) - SUB);
    }

    /** The middle of a bucket, in milliseconds. */
    static double millis(int bucket) {
        if (bucket < SUB) {
            return bucket;
        }
        int shift = bucket / SUB - 1;
        double width = 1L << shift;
        return (bucket % SUB + SUB) * width + (width - 1) / 2;
    }
}
