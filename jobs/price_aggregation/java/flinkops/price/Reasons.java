package flinkops.price;

import java.util.List;

/** Why a record is a dead letter. The names are part of the outside: metrics and dead letters carry them. */
final class Reasons {
    static final String NOT_JSON = "not_json";
    static final String NO_SKU = "no_sku";
    static final String PRICE_MISSING = "price_missing";
    static final String PRICE_NOT_A_NUMBER = "price_not_a_number";
    static final String PRICE_NOT_FINITE = "price_not_finite";
    static final String PRICE_NEGATIVE = "price_negative";
    static final String PRICE_OUT_OF_RANGE = "price_out_of_range";
    static final String NO_VALID_SCRAPED_AT = "no_valid_scraped_at";
    static final String IN_THE_FUTURE = "in_the_future";
    /** Well formed, but behind the watermark. */
    static final String LATE = "late";

    /** In the order in which they are looked for. */
    static final List<String> MALFORMED =
            List.of(
                    NOT_JSON,
                    NO_SKU,
                    PRICE_MISSING,
                    PRICE_NOT_A_NUMBER,
                    PRICE_NOT_FINITE,
                    PRICE_NEGATIVE,
                    PRICE_OUT_OF_RANGE,
                    NO_VALID_SCRAPED_AT,
                    IN_THE_FUTURE);

    private Reasons() {}

    /** Of what Prices.of said; null for a price. */
    static String ofPrice(long priceE4) {
        if (priceE4 == Prices.NEGATIVE) {
            return PRICE_NEGATIVE;
        }
        return priceE4 == Prices.OUT_OF_RANGE ? PRICE_OUT_OF_RANGE : null;
    }
}
