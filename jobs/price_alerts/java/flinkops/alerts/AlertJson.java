package flinkops.alerts;

import flinkops.price.Prices;
import flinkops.price.Scrape;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.Locale;

/** Alerts as JSON, and their ids. What it writes is the outside: docs/price-alerts.md states it. Not thread-safe. */
final class AlertJson {
    private static final DateTimeFormatter ISO =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);
    private static final int RATIO_PLACES = 6;

    private final StringBuilder text = new StringBuilder(512);
    private final MessageDigest sha256;

    AlertJson() {
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    Alert ofPrice(Observation seen, long oldPriceE4, long detectedAt) {
        String id = id(seen, null);
        begin(id, seen, oldPriceE4, detectedAt);
        text.append(",\"kind\":\"price\"}");
        return alert(seen);
    }

    /** The stock always changes to its opposite, so the old one need not be given. */
    Alert ofAvailability(Observation seen, long oldPriceE4, long detectedAt) {
        String id = id(seen, availability(seen.inStock));
        begin(id, seen, oldPriceE4, detectedAt);
        text.append(",\"kind\":\"availability\",\"old_availability\":\"").append(availability(!seen.inStock));
        text.append("\",\"new_availability\":\"").append(availability(seen.inStock)).append("\"}");
        return alert(seen);
    }

    /** The SHA-256 of the compact JSON array of what makes this change the one that it is. */
    private String id(Observation seen, String availability) {
        text.setLength(0);
        text.append('[');
        string(seen.sku).append(',');
        string(seen.retailer).append(",\"").append(iso(seen.scrapedAt)).append("\",");
        if (seen.priceE4 == Observation.NO_PRICE) {
            text.append("null,");
        } else {
            text.append('"').append(plain(seen.priceE4)).append("\",");
        }
        string(seen.currency);
        if (availability != null) {
            text.append(",\"").append(availability).append('"');
        }
        text.append(']');
        return HexFormat.of().formatHex(sha256.digest(text.toString().getBytes(StandardCharsets.UTF_8)));
    }

    private void begin(String id, Observation seen, long oldPriceE4, long detectedAt) {
        text.setLength(0);
        text.append("{\"alert_id\":\"").append(id).append("\",\"sku\":");
        string(seen.sku).append(",\"retailer\":");
        string(seen.retailer);
        text.append(",\"old_price\":").append(number(oldPriceE4));
        text.append(",\"new_price\":").append(number(seen.priceE4));
        text.append(",\"change_ratio\":").append(ratio(oldPriceE4, seen.priceE4));
        text.append(",\"currency\":");
        string(seen.currency);
        text.append(",\"scraped_at\":\"").append(iso(seen.scrapedAt));
        text.append("\",\"ingested_at\":");
        if (seen.ingestedAt == Scrape.NO_TIME) {
            text.append("null");
        } else {
            text.append('"').append(iso(seen.ingestedAt)).append('"');
        }
        text.append(",\"detected_at\":\"").append(iso(detectedAt)).append('"');
    }

    private Alert alert(Observation seen) {
        Alert alert = new Alert();
        alert.key = seen.sku.getBytes(StandardCharsets.UTF_8);
        alert.value = text.toString().getBytes(StandardCharsets.UTF_8);
        return alert;
    }

    private static String availability(boolean inStock) {
        return inStock ? "in_stock" : "out_of_stock";
    }

    private static String iso(long millis) {
        return ISO.format(Instant.ofEpochMilli(millis));
    }

    private static String number(long priceE4) {
        return priceE4 == Observation.NO_PRICE ? "null" : plain(priceE4);
    }

    /** Without trailing zeros and without an exponent: 12.5, 100, 0. */
    static String plain(long priceE4) {
        return BigDecimal.valueOf(priceE4, Prices.SCALE).stripTrailingZeros().toPlainString();
    }

    /** (new - old) / old to six places; null where there is none: no old price, or one of 0. */
    static String ratio(long oldE4, long newE4) {
        if (oldE4 <= 0 || newE4 == Observation.NO_PRICE) {
            return "null";
        }
        return BigDecimal.valueOf(newE4 - oldE4)
                .divide(BigDecimal.valueOf(oldE4), RATIO_PLACES, RoundingMode.HALF_EVEN)
                .stripTrailingZeros()
                .toPlainString();
    }

    /** A JSON string; half a surrogate pair, which UTF-8 cannot encode, stays an escape. */
    private StringBuilder string(String value) {
        text.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            boolean pair = Character.isHighSurrogate(c)
                    && i + 1 < value.length()
                    && Character.isLowSurrogate(value.charAt(i + 1));
            if (pair) {
                text.append(c).append(value.charAt(++i));
            } else if (c < ' ' || c == '"' || c == '\\' || Character.isSurrogate(c)) {
                escape(c);
            } else {
                text.append(c);
            }
        }
        return text.append('"');
    }

    private void escape(char c) {
        int known = "\"\\\b\f\n\r\t".indexOf(c);
        if (known >= 0) {
            text.append('\\').append("\"\\bfnrt".charAt(known));
        } else {
            text.append(String.format("\\u%04x", (int) c));
        }
    }
}
