package flinkops.faults;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

/** The knobs, given as {@code --name value}; each has a default that is healthy. */
public final class Options implements Serializable {
    private final Map<String, String> values = new HashMap<>();

    public static Options of(String[] arguments) {
        Options options = new Options();
        for (int index = 0; index + 1 < arguments.length; index += 2) {
            options.values.put(arguments[index].replaceFirst("^--", ""), arguments[index + 1]);
        }
        return options;
    }

    public String text(String name, String otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    public double number(String name, double otherwise) {
        return Double.parseDouble(values.getOrDefault(name, Double.toString(otherwise)));
    }

    public long whole(String name, long otherwise) {
        return Long.parseLong(values.getOrDefault(name, Long.toString(otherwise)));
    }
}
