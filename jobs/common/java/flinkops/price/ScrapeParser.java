package flinkops.price;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/**
 * JSON to the fields of a Scrape, or the reason why not. Field by field without a tree; of a field that is
 * there twice the last counts. Not thread-safe.
 */
public final class ScrapeParser {
    private static final long MAX_FUTURE_MILLIS = 5 * 60 * 1000;

    // NaN and Infinity are let through, to be told from text that is no JSON at all.
    private final JsonFactory factory =
            new JsonFactory().enable(JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS);

    private String priceReason;

    /** Parses `scrape.raw`. `scrape.ingestedAt` is given, or found in the record's `ingested_at`. */
    void parse(Scrape scrape) {
        reset(scrape);
        if (scrape.raw == null) {
            scrape.reason = Reasons.NOT_JSON;
            return;
        }
        try (JsonParser json = factory.createParser(scrape.raw)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                scrape.reason = Reasons.NOT_JSON;
                return;
            }
            boolean ingestionKnown = scrape.ingestedAt != Scrape.NO_TIME;
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                field(json, scrape, ingestionKnown);
            }
            if (json.nextToken() != null) {
                scrape.reason = Reasons.NOT_JSON;
                return;
            }
        } catch (IOException e) {
            scrape.reason = Reasons.NOT_JSON;
            return;
        }
        scrape.reason = reasonOf(scrape, priceReason);
    }

    private void reset(Scrape scrape) {
        scrape.reason = null;
        scrape.sku = "";
        scrape.currency = "";
        scrape.retailer = "";
        scrape.scrapedAt = Scrape.NO_TIME;
        scrape.inStock = null;
        priceReason = Reasons.PRICE_MISSING;
    }

    private void field(JsonParser json, Scrape scrape, boolean ingestionKnown) throws IOException {
        String name = json.currentName();
        JsonToken value = json.nextToken();
        switch (name) {
            case "sku":
                scrape.sku = text(json, value);
                break;
            case "currency":
                scrape.currency = text(json, value);
                break;
            case "retailer":
                scrape.retailer = text(json, value);
                break;
            case "price":
                price(json, value, scrape);
                break;
            case "scraped_at":
                scrape.scrapedAt = Times.parse(text(json, value));
                break;
            case "ingested_at":
                if (!ingestionKnown) {
                    scrape.ingestedAt = Times.parse(text(json, value));
                }
                break;
            case "availability":
                scrape.inStock = inStock(text(json, value));
                break;
            default:
                break;
        }
        json.skipChildren();
    }

    /** The empty text stands for null, for what is no string, and for a field that is not there. */
    private static String text(JsonParser json, JsonToken value) throws IOException {
        return value == JsonToken.VALUE_STRING ? json.getText() : "";
    }

    /** `in_stock` and `out_of_stock`, also as schema.org spells and addresses them; null for anything else. */
    private static Boolean inStock(String text) {
        switch (text) {
            case "in_stock":
            case "InStock":
            case "https://schema.org/InStock":
                return true;
            case "out_of_stock":
            case "OutOfStock":
            case "https://schema.org/OutOfStock":
                return false;
            default:
                return null;
        }
    }

    private void price(JsonParser json, JsonToken value, Scrape scrape) throws IOException {
        if (value == JsonToken.VALUE_NULL) {
            priceReason = Reasons.PRICE_MISSING;
        } else if (value == null || !value.isNumeric()) {
            priceReason = Reasons.PRICE_NOT_A_NUMBER;
        } else if (value == JsonToken.VALUE_NUMBER_FLOAT && json.isNaN()) {
            priceReason = Reasons.PRICE_NOT_FINITE;
        } else {
            scrape.priceE4 =
                    Prices.of(json.getTextCharacters(), json.getTextOffset(), json.getTextLength());
            priceReason = Reasons.ofPrice(scrape.priceE4);
        }
    }

    /**
     * The first of the reasons that apply, in the order of the documentation; null when none does. What is wrong
     * with the price is given, null when nothing is.
     */
    public static String reasonOf(Scrape scrape, String priceReason) {
        if (scrape.sku.isEmpty()) {
            return Reasons.NO_SKU;
        }
        if (priceReason != null) {
            return priceReason;
        }
        if (scrape.scrapedAt == Scrape.NO_TIME) {
            return Reasons.NO_VALID_SCRAPED_AT;
        }
        if (scrape.ingestedAt != Scrape.NO_TIME
                && scrape.scrapedAt > scrape.ingestedAt + MAX_FUTURE_MILLIS) {
            return Reasons.IN_THE_FUTURE;
        }
        return null;
    }
}
