package flinkops.price;

import java.util.List;

/** Why a record is a dead letter. The names are part of the outside: metrics and dead letters carry them. */
public final class Reasons {
    public static final String NOT_JSON = "not_json";
    public static final String NO_SKU = "no_sku";
    public static final String TEXT_TOO_LONG = "text_too_long";
    public static final String TEXT_WITH_NUL = "text_with_nul";
    public static final String PRICE_MISSING = "price_missing";
    public static final String PRICE_NOT_A_NUMBER = "price_not_a_number";
    public static final String PRICE_NOT_FINITE = "price_not_finite";
    public static final String PRICE_NEGATIVE = "price_negative";
    public static final String PRICE_OUT_OF_RANGE = "price_out_of_range";
    public static final String NO_VALID_SCRAPED_AT = "no_valid_scraped_at";
    public static final String IN_THE_FUTURE = "in_the_future";
    /** Well formed, but behind the watermark. */
    public static final String LATE = "late";

    /** In the order in which they are checked. */
    public static final List<String> MALFORMED =
            List.of(
                    NOT_JSON,
                    NO_SKU,
                    TEXT_TOO_LONG,
                    TEXT_WITH_NUL,
                    PRICE_MISSING,
                    PRICE_NOT_A_NUMBER,
                    PRICE_NOT_FINITE,
                    PRICE_NEGATIVE,
                    PRICE_OUT_OF_RANGE,
                    NO_VALID_SCRAPED_AT,
                    IN_THE_FUTURE);

    private Reasons() {}

    /** The reason for a result of Prices.of; null for a price. */
    static String ofPrice(long priceE4) {
        if (priceE4 == Prices.NEGATIVE) {
            return PRICE_NEGATIVE;
        }
        return priceE4 == Prices.OUT_OF_RANGE ? PRICE_OUT_OF_RANGE : null;
    }
}
