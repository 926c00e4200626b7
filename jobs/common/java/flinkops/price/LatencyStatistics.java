package flinkops.price;

import org.apache.flink.metrics.HistogramStatistics;

/**
 * Statistics of latencies, in milliseconds, from the counts of the buckets. NaN when there are none, since a
 * zero would read as a latency.
 */
final class LatencyStatistics extends HistogramStatistics {
    private final long[] counts;
    private final long size;

    LatencyStatistics(long[] counts) {
        this.counts = counts;
        this.size = java.util.Arrays.stream(counts).sum();
    }

    @Override
    public double getQuantile(double quantile) {
        long rank = Math.max(1, (long) Math.ceil(quantile * size));
        long seen = 0;
        for (int bucket = 0; bucket < counts.length; bucket++) {
            seen += counts[bucket];
            if (seen >= rank) {
                return LatencyHistogram.millis(bucket);
            }
        }
        return Double.NaN;
    }

    @Override
    public long[] getValues() {
        return new long[0]; // single latencies are not kept
    }

    @Override
    public int size() {
        return (int) Math.min(Integer.MAX_VALUE, size);
    }

    @Override
    public double getMean() {
        double sum = 0;
        for (int bucket = 0; bucket < counts.length; bucket++) {
            sum += counts[bucket] * LatencyHistogram.millis(bucket);
        }
        return size == 0 ? Double.NaN : sum / size;
    }

    @Override
    public double getStdDev() {
        double mean = getMean();
        double squares = 0;
        for (int bucket = 0; bucket < counts.length; bucket++) {
            double distance = LatencyHistogram.millis(bucket) - mean;
            squares += counts[bucket] * distance * distance;
        }
        return size < 2 ? Double.NaN : Math.sqrt(squares / (size - 1));
    }

    @Override
    public long getMax() {
        for (int bucket = counts.length - 1; bucket >= 0; bucket--) {
            if (counts[bucket] > 0) {
                return (long) LatencyHistogram.millis(bucket);
            }
        }
        return 0;
    }

    @Override
    public long getMin() {
        return size == 0 ? 0 : (long) getQuantile(0);
    }
}
