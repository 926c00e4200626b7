package flinkops.price;

import java.math.BigDecimal;
import java.math.RoundingMode;

/** Prices as DECIMAL(18, 4), held as a long: the number times 10,000. */
public final class Prices {
    static final int PRECISION = 18;
    public static final int SCALE = 4;
    /** The results of `of` for a price that is below zero or too large to hold. */
    static final long NEGATIVE = -1;
    static final long OUT_OF_RANGE = -2;

    private static final int INTEGER_DIGITS = PRECISION - SCALE;
    private static final long LIMIT = 1_000_000_000_000_000_000L;
    private static final long[] POWERS = {1, 10, 100, 1_000, 10_000};

    private Prices() {}

    /** Any number, rounded half up to four places. */
    static long of(BigDecimal number) {
        if (number.signum() < 0) {
            return NEGATIVE;
        }
        // Before setScale, which would write out the zeros of 1e999999999.
        long integerDigits = (long) number.precision() - number.scale();
        if (integerDigits > INTEGER_DIGITS && number.signum() > 0) {
            return OUT_OF_RANGE;
        }
        if (integerDigits < -SCALE) {
            return 0;
        }
        long price = number.setScale(SCALE, RoundingMode.HALF_UP).unscaledValue().longValue();
        return price < LIMIT ? price : OUT_OF_RANGE;
    }

    /** A JSON number as text; plain ones with up to four places, nearly all, never become a BigDecimal. */
    static long of(char[] text, int offset, int length) {
        long digits = 0;
        int point = -1;
        if (length <= PRECISION) {
            int i = 0;
            for (; i < length; i++) {
                char c = text[offset + i];
                if (c >= '0' && c <= '9') {
                    digits = digits * 10 + (c - '0');
                } else if (c == '.' && point < 0) {
                    point = i;
                } else {
                    break;
                }
            }
            int places = point < 0 ? 0 : length - point - 1;
            if (i == length && places <= SCALE && length - places <= INTEGER_DIGITS) {
                return digits * POWERS[SCALE - places];
            }
        }
        try {
            return of(new BigDecimal(text, offset, length));
        } catch (ArithmeticException | NumberFormatException e) { // an exponent beyond what BigDecimal can hold
            return extreme(new String(text, offset, length));
        }
    }

    /** A number, known to be one, whose exponent does not fit into an int: nothing, or more than any price. */
    private static long extreme(String number) {
        int exponent = Math.max(number.indexOf('e'), number.indexOf('E'));
        boolean zero = number.substring(0, exponent).chars().noneMatch(c -> c >= '1' && c <= '9');
        if (zero) {
            return 0;
        }
        if (number.charAt(0) == '-') {
            return NEGATIVE;
        }
        return number.charAt(exponent + 1) == '-' ? 0 : OUT_OF_RANGE;
    }
}
