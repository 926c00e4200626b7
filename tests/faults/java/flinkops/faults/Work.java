package flinkops.faults;

import java.util.concurrent.ThreadLocalRandom;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.util.Collector;

/** What a record costs: a wait for another system, a calculation, memory; and what a checkpoint's synchronous part costs. */
public final class Work extends RichFlatMapFunction<Event, Event> implements CheckpointedFunction {
    private static final int BLOCK_BYTES = 256 * 1024;
    private static final int WAIT_MILLIS = 5;

    private final double waitMillis;
    private final double calculateMillis;
    private final long failAtRecord;
    private final double heapShare;
    private final int churnBytes;
    private final long syncMillis;

    private transient double owedMillis;
    private transient byte[][] held;
    private transient byte[][] recent;
    private transient int next;
    private transient double noise;

    public Work(Options options) {
        waitMillis = options.number("wait-ms", 0);
        calculateMillis = options.number("calculate-ms", 0);
        failAtRecord = options.whole("fail-at-record", -1);
        heapShare = options.number("heap-share", 0);
        churnBytes = (int) options.whole("churn-bytes", 0);
        syncMillis = options.whole("sync-ms", 0);
    }

    @Override
    public void open(OpenContext context) {
        int subtasks = getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks();
        held = new byte[(int) (heapShare * Runtime.getRuntime().maxMemory() / BLOCK_BYTES / subtasks)][];
        for (int index = 0; index < held.length; index++) {
            held[index] = new byte[BLOCK_BYTES];
        }
        recent = new byte[64][];
    }

    @Override
    public void flatMap(Event event, Collector<Event> out) throws Exception {
        if (failAtRecord >= 0 && event.id == failAtRecord) {
            throw new IllegalStateException("order " + event.id + " has a negative amount");
        }
        rest();
        calculate();
        if (churnBytes > 0) {
            next = (next + 1) % recent.length;
            recent[next] = new byte[churnBytes];
        }
        out.collect(event);
    }

    /** Short waits are gathered: the system's clock is too coarse for a tenth of a millisecond. */
    private void rest() throws InterruptedException {
        owedMillis += waitMillis;
        if (owedMillis >= WAIT_MILLIS) {
            long begun = System.nanoTime();
            Thread.sleep((long) owedMillis);
            owedMillis -= (System.nanoTime() - begun) / 1e6;
        }
    }

    private void calculate() {
        long ends = System.nanoTime() + (long) (calculateMillis * 1e6);
        while (calculateMillis > 0 && System.nanoTime() < ends) {
            noise += Math.sin(ThreadLocalRandom.current().nextDouble());
        }
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws InterruptedException {
        Thread.sleep(syncMillis);
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {}
}
