package flinkops.price;

import java.time.DateTimeException;
import java.time.OffsetDateTime;

/** Times of the input: ISO-8601 with a zone, as milliseconds since the epoch. */
final class Times {
    private static final int PLAIN_LENGTH = "2026-01-01T00:00:00.000Z".length();
    private static final long DAY_MILLIS = 86_400_000L;
    private static final long MIN = -62_135_596_800_000L; // year 1
    private static final long MAX = 253_402_300_799_999L; // year 9999

    private Times() {}

    /** Scrape.NO_TIME when the text is no time with a zone in the years 1 to 9999. */
    static long parse(String text) {
        if (text.length() == PLAIN_LENGTH && text.charAt(PLAIN_LENGTH - 1) == 'Z') {
            long plain = parsePlain(text);
            if (plain != Scrape.NO_TIME) {
                return plain;
            }
        }
        try {
            return inRange(OffsetDateTime.parse(text).toInstant().toEpochMilli());
        } catch (DateTimeException | ArithmeticException e) {
            return Scrape.NO_TIME;
        }
    }

    static long inRange(long millis) {
        return millis >= MIN && millis <= MAX ? millis : Scrape.NO_TIME;
    }

    /** `2026-01-01T00:00:00.000Z`, nearly every record's form, without the general parser's cost. */
    private static long parsePlain(String text) {
        if (text.charAt(4) != '-' || text.charAt(7) != '-' || text.charAt(10) != 'T'
                || text.charAt(13) != ':' || text.charAt(16) != ':' || text.charAt(19) != '.') {
            return Scrape.NO_TIME;
        }
        int year = number(text, 0, 4);
        int month = number(text, 5, 7);
        int day = number(text, 8, 10);
        int hour = number(text, 11, 13);
        int minute = number(text, 14, 16);
        int second = number(text, 17, 19);
        int millis = number(text, 20, 23);
        // Days up to 28 exist in every month; the rest, and what is no number, is the general parser's.
        if (year < 1 || month < 1 || month > 12 || day < 1 || day > 28
                || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || millis < 0) {
            return Scrape.NO_TIME;
        }
        long time = ((hour * 60L + minute) * 60 + second) * 1000 + millis;
        return epochDay(year, month, day) * DAY_MILLIS + time;
    }

    /** The proleptic Gregorian calendar, counted in years that begin in March. */
    private static long epochDay(int year, int month, int day) {
        long y = month > 2 ? year : year - 1;
        long era = Math.floorDiv(y, 400);
        long yearOfEra = y - era * 400;
        long dayOfYear = (153L * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468;
    }

    /** The digits in [from, to), or -1. */
    private static int number(String text, int from, int to) {
        int value = 0;
        for (int i = from; i < to; i++) {
            int digit = text.charAt(i) - '0';
            if (digit < 0 || digit > 9) {
                return -1;
            }
            value = value * 10 + digit;
        }
        return value;
    }
}
