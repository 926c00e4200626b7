package flinkops.price;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;

/**
 * Watermarks that trail the latest scrape of each partition by a fixed delay, in whole seconds. They are sent
 * with the record that moves them and not by the clock, so that a replay makes the same ones; whole seconds
 * keep them few, and every window ends on one.
 */
public final class EventTime implements WatermarkGenerator<Scrape> {
    /** A delay of which no watermark comes before the end of the input: then nothing is late. */
    public static final long UNTIL_THE_END = Long.MAX_VALUE;

    static final long STEP_MILLIS = 1000;

    private final long delayMillis;
    private long sent = Long.MIN_VALUE;

    private EventTime(long delayMillis) {
        this.delayMillis = delayMillis;
    }

    /** A partition without records for `idleMillis` holds back no watermark; 0: it always does. */
    public static WatermarkStrategy<Scrape> strategy(long delayMillis, long idleMillis) {
        WatermarkStrategy<Scrape> strategy =
                WatermarkStrategy.<Scrape>forGenerator(context -> new EventTime(delayMillis))
                        .withTimestampAssigner((scrape, previous) -> scrape.scrapedAt);
        return idleMillis > 0 ? strategy.withIdleness(Duration.ofMillis(idleMillis)) : strategy;
    }

    /** The last millisecond of the whole second before the one that `limit` is in. */
    static long watermark(long limit) {
        return Math.floorDiv(limit, STEP_MILLIS) * STEP_MILLIS - 1;
    }

    @Override
    public void onEvent(Scrape scrape, long timestamp, WatermarkOutput output) {
        if (scrape.reason != null || delayMillis == UNTIL_THE_END) {
            return;
        }
        long watermark = watermark(scrape.scrapedAt - delayMillis);
        if (watermark > sent) {
            sent = watermark;
            output.emitWatermark(new Watermark(watermark));
        }
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {}
}
