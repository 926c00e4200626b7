package flinkops.probe;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.runtime.metrics.DescriptiveStatisticsHistogram;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;

/** Delivers a record to a system outside that takes as many milliseconds as a file says, or fails when it says so. */
public final class Deliver extends ScalarFunction {
    private static final int REMEMBERED_RECORDS = 50;

    private transient Histogram latency;

    @Override
    public void open(FunctionContext context) {
        latency =
                context.getMetricGroup()
                        .addGroup("flinkops")
                        .histogram("processingLatencyMs", new DescriptiveStatisticsHistogram(REMEMBERED_RECORDS));
    }

    @Override
    public boolean isDeterministic() {
        return false;
    }

    public Integer eval(Integer number, @DataTypeHint("TIMESTAMP_LTZ(3)") Instant created, String file) throws Exception {
        String says = Files.readString(Path.of(file)).strip();
        if (says.equals("fail")) {
            throw new IllegalStateException("the system outside refuses");
        }
        Thread.sleep(Long.parseLong(says));
        latency.update(System.currentTimeMillis() - created.toEpochMilli());
        return number;
    }
}
