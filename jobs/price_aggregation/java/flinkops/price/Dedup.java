package flinkops.price;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MeterView;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.internal.InternalListState;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * Lets price changes pass and drops scrapes with an unchanged price.
 *
 * <p>In event order, scrapes wait in a list for each shard and second of event time. When the watermark passes
 * the end of that second they are put in order and compared. One list and one timer serve all prices of a
 * shard: a timer for each price would cost more than the comparison. An operator rather than a
 * KeyedProcessFunction because only operators have state by namespace, here the second.
 */
final class Dedup extends AbstractStreamOperator<RowData>
        implements OneInputStreamOperator<RowData, RowData>, Triggerable<Integer, Long> {
    private static final long serialVersionUID = 1L;

    private static final Comparator<RowData> EVENT_ORDER =
            Comparator.<RowData>comparingLong(row -> row.getLong(Rows.SCRAPED_AT))
                    .thenComparingLong(row -> row.getLong(Rows.SEQUENCE))
                    .thenComparingLong(row -> row.getLong(Rows.PRICE_E4));

    private final DedupKey key;
    private final long ttlMillis;
    private final boolean eventOrder;

    private transient MapState<RowData, Tuple2<Long, Long>> lastPrices;
    private transient InternalListState<Integer, Long, RowData> waiting;
    private transient InternalTimerService<Long> timers;
    private transient ListState<Long> keptWatermark;
    private transient long watermark;
    private transient StreamRecord<RowData> change;
    private transient Counter accepted;
    private transient Counter unchanged;
    private transient Counter late;
    private transient LatencyHistogram latency;

    Dedup(DedupKey key, long ttlMillis, boolean eventOrder) {
        this.key = key;
        this.ttlMillis = ttlMillis;
        this.eventOrder = eventOrder;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        keptWatermark =
                context.getOperatorStateStore()
                        .getUnionListState(new ListStateDescriptor<>("watermark", Types.LONG));
        watermark = Long.MIN_VALUE;
        for (long restored : keptWatermark.get()) {
            watermark = Math.max(watermark, restored);
        }
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        keptWatermark.update(List.of(watermark));
    }

    @Override
    @SuppressWarnings("unchecked")
    public void open() throws Exception {
        super.open();
        MapStateDescriptor<RowData, Tuple2<Long, Long>> prices =
                new MapStateDescriptor<>("last-prices", key.type(), Types.TUPLE(Types.LONG, Types.LONG));
        prices.enableTimeToLive(Expiry.cleanup(ttlMillis));
        lastPrices = getPartitionedState(prices);
        waiting =
                (InternalListState<Integer, Long, RowData>)
                        getOrCreateKeyedState(
                                LongSerializer.INSTANCE,
                                new ListStateDescriptor<>("waiting-scrapes", Rows.ACCEPTED));
        timers = getInternalTimerService("end-of-second", LongSerializer.INSTANCE, this);
        change = new StreamRecord<>(null);
        MetricGroup group = getMetricGroup().addGroup(Metrics.GROUP);
        accepted = group.counter(Metrics.ACCEPTED);
        unchanged = group.counter(Metrics.UNCHANGED);
        group.meter(Metrics.UNCHANGED_RATE, new MeterView(unchanged));
        late = group.counter(Metrics.LATE);
        latency = new LatencyHistogram();
        group.histogram(Metrics.LATENCY, latency);
    }

    @Override
    public void processElement(StreamRecord<RowData> element) throws Exception {
        RowData scrape = element.getValue();
        long scrapedAt = scrape.getLong(Rows.SCRAPED_AT);
        if (scrapedAt <= watermark) {
            late.inc();
            output.collect(Rows.DEAD_LETTER, new StreamRecord<>(LateScrape.deadLetter(scrape), scrapedAt));
            return;
        }
        accepted.inc();
        long ingestedAt = scrape.getLong(Rows.INGESTED_AT);
        if (ingestedAt != Scrape.NO_TIME) {
            long now = getProcessingTimeService().getCurrentProcessingTime();
            latency.update(now - ingestedAt);
        }
        if (!eventOrder) {
            compare(scrape);
            return;
        }
        long second = Math.floorDiv(scrapedAt, EventTime.STEP_MILLIS);
        waiting.setCurrentNamespace(second);
        waiting.add(scrape);
        timers.registerEventTimeTimer(second, (second + 1) * EventTime.STEP_MILLIS - 1);
    }

    @Override
    public void onEventTime(InternalTimer<Integer, Long> timer) throws Exception {
        waiting.setCurrentNamespace(timer.getNamespace());
        List<RowData> scrapes = new ArrayList<>();
        waiting.get().forEach(scrapes::add);
        waiting.clear();
        scrapes.sort(EVENT_ORDER);
        for (RowData scrape : scrapes) {
            compare(scrape);
        }
    }

    @Override
    public void onProcessingTime(InternalTimer<Integer, Long> timer) {
        throw new IllegalStateException("no timer of processing time is set");
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        watermark = Math.max(watermark, mark.getTimestamp());
        super.processWatermark(mark);
    }

    private void compare(RowData scrape) throws Exception {
        RowData price = key.of(scrape);
        long priceE4 = scrape.getLong(Rows.PRICE_E4);
        long scrapedAt = scrape.getLong(Rows.SCRAPED_AT);
        Tuple2<Long, Long> last = lastPrices.get(price);
        lastPrices.put(price, Tuple2.of(priceE4, scrapedAt));
        if (last != null && last.f0 == priceE4 && scrapedAt - last.f1 <= ttlMillis) {
            unchanged.inc();
            return;
        }
        GenericRowData row = new GenericRowData(6);
        row.setField(0, scrape.getString(Rows.SKU));
        row.setField(1, scrape.getString(Rows.CURRENCY));
        row.setField(2, DecimalData.fromUnscaledLong(priceE4, Prices.PRECISION, Prices.SCALE));
        row.setField(3, TimestampData.fromEpochMillis(scrapedAt));
        row.setField(4, eventOrder ? scrapedAt : 0L);
        row.setField(5, scrape.getLong(Rows.SEQUENCE));
        output.collect(change.replace(row, scrapedAt));
    }
}
