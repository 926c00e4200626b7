package flinkops.price;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/**
 * JSON to the fields of a Scrape, or the reason why not. Field by field without a tree; of a field that is
 * there twice the last counts. No record, whatever is in it, makes this throw. Not thread-safe.
 */
public final class ScrapeParser {
    private static final long MAX_FUTURE_MILLIS = 5 * 60 * 1000;
    /** Of SKU and retailer, in UTF-16 units: with the currency they fit into an index of PostgreSQL and into an alert. */
    private static final int MAX_NAME_LENGTH = 512;
    private static final int MAX_CURRENCY_LENGTH = 64;
    private static final int MAX_TIME_LENGTH = 64;
    // What newer Jacksons allow. Older ones, as in Flink 1.20, know no limit: both lines must judge alike.
    private static final int MAX_NUMBER_LENGTH = 1000;
    private static final int MAX_DEPTH = 1000;
    private static final int MAX_FIELD_NAME_LENGTH = 50_000;

    // NaN and Infinity are accepted, to have a reason of their own. Names are not interned: field names from outside
    // must not fill the JVM's table of strings.
    private final JsonFactory factory =
            new JsonFactory()
                    .enable(JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS)
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES);

    private String priceReason;

    /** Parses `scrape.raw`. `scrape.ingestedAt` is given, or found in the record's `ingested_at`. */
    void parse(Scrape scrape) {
        reset(scrape);
        if (scrape.raw == null || scrape.raw.length < scrape.rawBytes) {
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
            if (json.currentToken() != JsonToken.END_OBJECT || json.nextToken() != null) {
                scrape.reason = Reasons.NOT_JSON;
                return;
            }
        } catch (IOException | RuntimeException e) {
            // RuntimeException too: a parser that fails in an unexpected way must not fail the job again and again.
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
        check(json, JsonToken.FIELD_NAME);
        String name = json.currentName();
        JsonToken value = json.nextToken();
        check(json, value);
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
                scrape.scrapedAt = time(json, value);
                break;
            case "ingested_at":
                if (!ingestionKnown) {
                    scrape.ingestedAt = time(json, value);
                }
                break;
            case "availability":
                scrape.inStock = inStock(text(json, value));
                break;
            default:
                break;
        }
        skipChildren(json, value);
    }

    /** To the end of an object or a list, within the limits. */
    private static void skipChildren(JsonParser json, JsonToken value) throws IOException {
        int depth = value != null && value.isStructStart() ? 1 : 0;
        while (depth > 0) {
            JsonToken token = json.nextToken();
            if (token == null) {
                throw new IOException("no end");
            }
            check(json, token);
            if (token.isStructStart()) {
                depth++;
            } else if (token.isStructEnd()) {
                depth--;
            }
            if (depth >= MAX_DEPTH) { // the record itself is the first level
                throw new IOException("too deep");
            }
        }
    }

    private static void check(JsonParser json, JsonToken token) throws IOException {
        boolean number = token != null && token.isNumeric();
        boolean name = token == JsonToken.FIELD_NAME;
        if (number && json.getTextLength() > MAX_NUMBER_LENGTH || name && json.getTextLength() > MAX_FIELD_NAME_LENGTH) {
            throw new IOException("too long");
        }
    }

    private static long time(JsonParser json, JsonToken value) throws IOException {
        boolean isText = value == JsonToken.VALUE_STRING && json.getTextLength() <= MAX_TIME_LENGTH;
        return isText ? Times.parse(json.getText()) : Scrape.NO_TIME;
    }

    /** The empty text where the field is null, no string, or missing. */
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
        if (scrape.sku.length() > MAX_NAME_LENGTH
                || scrape.retailer.length() > MAX_NAME_LENGTH
                || scrape.currency.length() > MAX_CURRENCY_LENGTH) {
            return Reasons.TEXT_TOO_LONG;
        }
        if (scrape.sku.indexOf(0) >= 0 || scrape.retailer.indexOf(0) >= 0 || scrape.currency.indexOf(0) >= 0) {
            return Reasons.TEXT_WITH_NUL; // PostgreSQL has no text with it
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
