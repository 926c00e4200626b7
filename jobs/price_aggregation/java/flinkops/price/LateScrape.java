package flinkops.price;

import java.nio.charset.StandardCharsets;
import java.math.BigDecimal;
import java.time.Instant;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * The dead letter of a record that turned out late only at the deduplication: one of a source subtask that had
 * been idle while others moved the watermark on. Its bytes are no longer available, so they are written again from the fields.
 */
final class LateScrape {
    private static final ObjectMapper JSON = new ObjectMapper();

    private LateScrape() {}

    static RowData deadLetter(RowData scrape) {
        ObjectNode json = JSON.createObjectNode();
        json.put("sku", scrape.getString(Rows.SKU).toString());
        json.put("price", BigDecimal.valueOf(scrape.getLong(Rows.PRICE_E4), Prices.SCALE));
        json.put("currency", scrape.getString(Rows.CURRENCY).toString());
        json.put("retailer", scrape.getString(Rows.RETAILER).toString());
        json.put("scraped_at", Instant.ofEpochMilli(scrape.getLong(Rows.SCRAPED_AT)).toString());
        long ingestedAt = scrape.getLong(Rows.INGESTED_AT);
        byte[] raw = json.toString().getBytes(StandardCharsets.UTF_8);
        return GenericRowData.of(
                StringData.fromString(Reasons.LATE),
                null,
                null,
                scrape.getLong(Rows.SEQUENCE),
                ingestedAt == Scrape.NO_TIME ? null : TimestampData.fromEpochMillis(ingestedAt),
                raw,
                (long) raw.length);
    }
}
