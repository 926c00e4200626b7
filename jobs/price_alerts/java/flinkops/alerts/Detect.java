package flinkops.alerts;

import flinkops.price.Expiry;
import flinkops.price.LatencyHistogram;
import flinkops.price.Metrics;
import flinkops.price.Scrape;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MeterView;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Compares each scrape of a SKU with the last known values of its shop, and emits changes at once. Only what is newer
 * in event time than the stored one counts; the first sight of a price is no change. Depends on nothing but the
 * scrapes of the SKU in their order of arrival: after a restore it emits the same alerts again.
 */
final class Detect extends KeyedProcessFunction<String, Observation, Alert> {
    private static final long serialVersionUID = 1L;

    private enum Judged { FIRST, SAME, CHANGED, LATE }

    private final long ttlMillis;

    private transient MapState<String, Tuple2<Long, Long>> prices;
    private transient MapState<String, Tuple2<Boolean, Long>> stock;
    private transient AlertJson json;
    private transient Counter accepted;
    private transient Counter first;
    private transient Counter unchanged;
    private transient Counter late;
    private transient Counter emitted;
    private transient LatencyHistogram latency;

    Detect(long ttlMillis) {
        this.ttlMillis = ttlMillis;
    }

    @Override
    public void open(OpenContext context) {
        prices = lastKnown("last-prices", Types.LONG);
        stock = lastKnown("last-availability", Types.BOOLEAN);
        json = new AlertJson();
        MetricGroup group = getRuntimeContext().getMetricGroup().addGroup(Metrics.GROUP);
        accepted = group.counter(Metrics.ACCEPTED);
        first = group.counter("firstSeen");
        unchanged = group.counter(Metrics.UNCHANGED);
        group.meter(Metrics.UNCHANGED_RATE, new MeterView(unchanged));
        late = group.counter(Metrics.LATE);
        emitted = group.counter("alertsEmitted");
        latency = new LatencyHistogram();
        group.histogram(Metrics.LATENCY, latency);
    }

    /** By shop: a value and when it was scraped. */
    private <V> MapState<String, Tuple2<V, Long>> lastKnown(String name, TypeInformation<V> type) {
        MapStateDescriptor<String, Tuple2<V, Long>> descriptor =
                new MapStateDescriptor<>(name, Types.STRING, Types.TUPLE(type, Types.LONG));
        descriptor.enableTimeToLive(Expiry.cleanup(ttlMillis));
        return getRuntimeContext().getMapState(descriptor);
    }

    @Override
    public void processElement(Observation seen, Context context, Collector<Alert> out) throws Exception {
        accepted.inc();
        Judged price = null;
        long oldPriceE4 = Observation.NO_PRICE;
        if (seen.priceE4 != Observation.NO_PRICE) {
            String shop = shop(seen);
            Tuple2<Long, Long> last = prices.get(shop);
            price = judge(last, seen.priceE4, seen.scrapedAt);
            if (price == Judged.SAME || price == Judged.CHANGED) {
                oldPriceE4 = last.f0;
            }
            keep(prices, shop, price, seen.priceE4, seen.scrapedAt);
        }
        Judged available = null;
        if (seen.inStock != null) {
            available = judge(stock.get(seen.retailer), seen.inStock, seen.scrapedAt);
            keep(stock, seen.retailer, available, seen.inStock, seen.scrapedAt);
        }
        if (price == Judged.CHANGED) {
            emit(json.ofPrice(seen, oldPriceE4, now(context)), seen, context, out);
        }
        if (available == Judged.CHANGED) {
            emit(json.ofAvailability(seen, oldPriceE4, now(context)), seen, context, out);
        }
        count(price, available);
    }

    private <V> Judged judge(Tuple2<V, Long> last, V value, long scrapedAt) {
        if (last == null || scrapedAt - last.f1 > ttlMillis) {
            return Judged.FIRST;
        }
        boolean same = last.f0.equals(value);
        if (scrapedAt < last.f1 || scrapedAt == last.f1 && !same) {
            return Judged.LATE;
        }
        return same ? Judged.SAME : Judged.CHANGED;
    }

    /** The same value too: a later scrape has to be newer than this one. */
    private static <V> void keep(
            MapState<String, Tuple2<V, Long>> state, String shop, Judged judged, V value, long scrapedAt)
            throws Exception {
        if (judged != Judged.LATE) {
            state.put(shop, Tuple2.of(value, scrapedAt));
        }
    }

    private void emit(Alert alert, Observation seen, Context context, Collector<Alert> out) {
        out.collect(alert);
        emitted.inc();
        if (seen.ingestedAt != Scrape.NO_TIME) {
            latency.update(now(context) - seen.ingestedAt);
        }
    }

    /** Each scrape once: an alert counts more than late, late more than unchanged. */
    private void count(Judged price, Judged available) {
        if (price == Judged.CHANGED || available == Judged.CHANGED) {
            return;
        }
        if (price == Judged.LATE || available == Judged.LATE) {
            late.inc();
        } else if (price == Judged.SAME || available == Judged.SAME) {
            unchanged.inc();
        } else {
            first.inc();
        }
    }

    /** Retailer and currency; its length keeps apart what would read the same joined. */
    private static String shop(Observation seen) {
        return seen.retailer.length() + ":" + seen.retailer + seen.currency;
    }

    private static long now(Context context) {
        return context.timerService().currentProcessingTime();
    }
}
