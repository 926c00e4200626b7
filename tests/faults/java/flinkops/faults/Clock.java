package flinkops.faults;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.util.Collector;

/**
 * The clocks of the devices that send the events: right ones, or one input subtask's that is silent or behind and slow, or
 * a few that are in the future.
 */
public final class Clock extends RichFlatMapFunction<Event, Event> {
    private final boolean silent;
    private final long behindMillis;
    private final double speed;
    private final long futureMillis;
    private final long futureEvery;
    private final long fromSecond;

    private transient boolean first;
    private transient long begunMillis;
    private transient long seen;

    public Clock(Options options) {
        silent = options.whole("silent", 0) > 0;
        behindMillis = options.whole("behind-ms", 0);
        speed = options.number("behind-speed", 1);
        futureMillis = options.whole("future-ms", 0);
        futureEvery = options.whole("future-every", 0);
        fromSecond = options.whole("from-second", 0);
    }

    @Override
    public void open(OpenContext context) {
        first = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0;
        begunMillis = System.currentTimeMillis();
    }

    @Override
    public void flatMap(Event event, Collector<Event> out) {
        long passed = event.atMs - begunMillis;
        if (passed >= fromSecond * 1000) {
            if (first && silent) {
                return;
            }
            if (first && behindMillis > 0) {
                event.atMs = begunMillis - behindMillis + (long) (passed * speed);
            }
            if (futureEvery > 0 && ++seen % futureEvery == 0) {
                event.atMs += futureMillis;
            }
        }
        out.collect(event);
    }
}
