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
    private static final int BLOCK_BYTES = 16 * 1024;
    private static final int WAIT_MILLIS = 5;

    private final double waitMillis;
    private final double calculateMillis;
    private final long failAtRecord;
    private final double heapShare;
    private final int churnBytes;
    private final long syncMillis;
    private final Course course;
    private final long firstMillis;
    private final long stuckAtRecord;

    private transient double owedMillis;
    private transient byte[][] held;
    private transient double noise;
    private transient boolean called;

    public Work(Options options) {
        this(options, "");
    }

    /** Its wait is the option {@code PREFIXwait-ms}; all else is common to a job's operators of this kind. */
    public Work(Options options, String prefix) {
        course = new Course(options);
        firstMillis = options.whole("first-ms", 0);
        stuckAtRecord = options.whole("stuck-at-record", -1);
        waitMillis = options.number(prefix + "wait-ms", 0);
        calculateMillis = options.number("calculate-ms", 0);
        failAtRecord = options.whole("fail-at-record", -1);
        heapShare = options.number("heap-share", 0);
        churnBytes = (int) options.whole("churn-bytes", 0);
        syncMillis = options.whole("sync-ms", 0);
    }

    @Override
    public void open(OpenContext context) {
        course.begin();
        held = fillHeap(heapShare);
    }

    /** Enough blocks for so much of the heap to be in use, whatever else uses it; one subtask after the other. */
    private static byte[][] fillHeap(double share) {
        synchronized (Work.class) {
            if (share <= 0) {
                return new byte[0][];
            }
            System.gc();
            Runtime runtime = Runtime.getRuntime();
            long missing = (long) (share * runtime.maxMemory()) - (runtime.totalMemory() - runtime.freeMemory());
            byte[][] blocks = new byte[(int) Math.max(0, missing / BLOCK_BYTES)][];
            for (int index = 0; index < blocks.length; index++) {
                blocks[index] = new byte[BLOCK_BYTES];
            }
            return blocks;
        }
    }

    @Override
    public void flatMap(Event event, Collector<Event> out) throws Exception {
        if (failAtRecord >= 0 && event.id == failAtRecord) {
            throw new IllegalStateException("order " + event.id + " has a negative amount");
        }
        if (!called) {
            called = true;
            Thread.sleep(firstMillis);
        }
        while (event.id == stuckAtRecord) {
            Thread.sleep(WAIT_MILLIS);
        }
        rest();
        calculate();
        replace();
        out.collect(event);
    }

    /** Short waits are gathered: the system's clock is too coarse for a tenth of a millisecond. */
    private void rest() throws InterruptedException {
        owedMillis += waitMillis * course.share();
        if (owedMillis >= WAIT_MILLIS) {
            long begun = System.nanoTime();
            Thread.sleep((long) owedMillis);
            owedMillis -= (System.nanoTime() - begun) / 1e6;
        }
    }

    /** As a cache does: what dies is old, so that collecting the young alone does not help. */
    private void replace() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        for (int bytes = 0; bytes < churnBytes && held.length > 0; bytes += BLOCK_BYTES) {
            held[random.nextInt(held.length)] = new byte[BLOCK_BYTES];
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
