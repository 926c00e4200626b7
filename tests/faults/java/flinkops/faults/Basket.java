package flinkops.faults;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.MapFunction;

/** A class as people write it, without an empty constructor: Flink does not know it and falls back to Kryo. */
public final class Basket {
    private final long key;
    private final Map<String, Double> lines;

    private Basket(long key, Map<String, Double> lines) {
        this.key = key;
        this.lines = lines;
    }

    /** Fills it with so many lines. */
    public static final class Fill implements MapFunction<Event, Basket> {
        private final int lines;

        public Fill(Options options) {
            lines = (int) options.whole("lines", 5);
        }

        @Override
        public Basket map(Event event) {
            Map<String, Double> filled = new HashMap<>();
            for (int index = 0; index < lines; index++) {
                filled.put("article number " + (event.id + index), event.id * 0.01);
            }
            return new Basket(event.key, filled);
        }
    }

    /** Counts them. */
    public static final class Count implements MapFunction<Basket, Event> {
        @Override
        public Event map(Basket basket) {
            return new Event(basket.lines.size(), basket.key, System.currentTimeMillis(), new byte[0]);
        }
    }
}
