package flinkops.price;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.util.Collector;

/**
 * Sends malformed and late records aside, each with its reason, and counts them. A record is late when it is
 * more than the delay behind the latest accepted one of its own partition, so that what is late does not depend
 * on how partitions interleave; or when it is behind the watermark, as records of a partition that was idle can be.
 *
 * <p>Flink does not keep event time over a restart; here each partition's is kept. The watermark is kept where the
 * windows are, in Dedup: the readers' watermarks differ, and what one has passed another may still have to read.
 */
final class Classify extends ProcessFunction<Scrape, RowData> implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private final long delayMillis;
    private final int maxParallelism;
    private final DedupKey key;
    private final int maxDeadLetterBytes;

    private transient Map<Integer, Long> latest;
    private transient ListState<Tuple2<Integer, Long>> kept;
    private transient Shards shards;
    private transient Map<String, Counter> malformed;
    private transient Counter late;

    Classify(long delayMillis, int maxParallelism, DedupKey key, int maxDeadLetterBytes) {
        this.delayMillis = delayMillis;
        this.maxParallelism = maxParallelism;
        this.key = key;
        this.maxDeadLetterBytes = maxDeadLetterBytes;
    }

    @Override
    public void open(OpenContext context) {
        shards = new Shards(maxParallelism);
        MetricGroup group = getRuntimeContext().getMetricGroup().addGroup(Metrics.GROUP);
        late = group.counter(Metrics.LATE);
        malformed = new HashMap<>();
        for (String reason : Reasons.MALFORMED) {
            malformed.put(reason, group.counter(Metrics.MALFORMED + reason));
        }
    }

    @Override
    public void processElement(Scrape scrape, Context context, Collector<RowData> out) {
        if (scrape.reason != null) {
            malformed.get(scrape.reason).inc();
            context.output(Rows.DEAD_LETTER, deadLetter(scrape, scrape.reason));
        } else if (isLate(scrape, context.timerService().currentWatermark())) {
            late.inc();
            context.output(Rows.DEAD_LETTER, deadLetter(scrape, Reasons.LATE));
        } else {
            out.collect(accepted(scrape));
        }
    }

    private boolean isLate(Scrape scrape, long currentWatermark) {
        if (delayMillis == EventTime.UNTIL_THE_END) {
            return false;
        }
        Long before = latest.get(scrape.partition);
        if (before == null) {
            before = Long.MIN_VALUE + delayMillis;
        }
        if (scrape.scrapedAt < before - delayMillis || scrape.scrapedAt <= currentWatermark) {
            return true;
        }
        if (scrape.scrapedAt > before) {
            latest.put(scrape.partition, scrape.scrapedAt);
        }
        return false;
    }

    private RowData accepted(Scrape scrape) {
        GenericRowData row = new GenericRowData(8);
        row.setField(Rows.SKU, StringData.fromString(scrape.sku));
        row.setField(Rows.CURRENCY, StringData.fromString(scrape.currency));
        row.setField(Rows.RETAILER, StringData.fromString(scrape.retailer));
        row.setField(Rows.PRICE_E4, scrape.priceE4);
        row.setField(Rows.SCRAPED_AT, scrape.scrapedAt);
        row.setField(Rows.SEQUENCE, scrape.sequence);
        row.setField(Rows.INGESTED_AT, scrape.ingestedAt);
        row.setField(Rows.SHARD, shards.of(key.hash(row)));
        return row;
    }

    /** With the record's bytes as far as the sink takes them: source, partition and position point to all of them. */
    private RowData deadLetter(Scrape scrape, String reason) {
        boolean whole = scrape.raw == null || scrape.raw.length <= maxDeadLetterBytes;
        return GenericRowData.of(
                StringData.fromString(reason),
                StringData.fromString(scrape.source),
                scrape.partition,
                scrape.position,
                scrape.ingestedAt == Scrape.NO_TIME ? null : TimestampData.fromEpochMillis(scrape.ingestedAt),
                whole ? scrape.raw : Arrays.copyOf(scrape.raw, maxDeadLetterBytes),
                scrape.rawBytes);
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        kept =
                context.getOperatorStateStore()
                        .getUnionListState(
                                new ListStateDescriptor<>(
                                        "event-time-by-partition", Types.TUPLE(Types.INT, Types.LONG)));
        latest = new HashMap<>();
        for (Tuple2<Integer, Long> entry : kept.get()) {
            latest.merge(entry.f0, entry.f1, Math::max);
        }
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        kept.update(List.of());
        for (Map.Entry<Integer, Long> entry : latest.entrySet()) {
            kept.add(Tuple2.of(entry.getKey(), entry.getValue()));
        }
    }
}
