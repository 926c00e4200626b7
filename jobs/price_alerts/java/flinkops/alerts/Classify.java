package flinkops.alerts;

import flinkops.price.Metrics;
import flinkops.price.Reasons;
import flinkops.price.Scrape;
import flinkops.price.ScrapeParser;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;

/** Drops malformed records, counted by reason. The aggregation, which reads the same topic, keeps their bytes. */
final class Classify extends ProcessFunction<Scrape, Observation> {
    private static final long serialVersionUID = 1L;

    private transient Map<String, Counter> malformed;

    @Override
    public void open(OpenContext context) {
        MetricGroup group = getRuntimeContext().getMetricGroup().addGroup(Metrics.GROUP);
        malformed = new HashMap<>();
        for (String reason : Reasons.MALFORMED) {
            malformed.put(reason, group.counter(Metrics.MALFORMED + reason));
        }
    }

    @Override
    public void processElement(Scrape scrape, Context context, Collector<Observation> out) {
        boolean onlyStock = Reasons.PRICE_MISSING.equals(scrape.reason) && scrape.inStock != null;
        String reason = onlyStock ? ScrapeParser.reasonOf(scrape, null) : scrape.reason;
        if (reason != null) {
            malformed.get(reason).inc();
            return;
        }
        Observation seen = new Observation();
        seen.sku = scrape.sku;
        seen.retailer = scrape.retailer;
        seen.currency = scrape.currency;
        seen.priceE4 = onlyStock ? Observation.NO_PRICE : scrape.priceE4;
        seen.inStock = scrape.inStock;
        seen.scrapedAt = scrape.scrapedAt;
        seen.ingestedAt = scrape.ingestedAt;
        out.collect(seen);
    }
}
