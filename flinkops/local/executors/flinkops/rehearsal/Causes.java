package flinkops.rehearsal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.util.SerializedThrowable;

/** A failure as its chain of causes. */
final class Causes {
    private static final int MOST = 20;

    private Causes() {}

    static List<Map<String, Object>> chain(Throwable problem) {
        List<Map<String, Object>> chain = new ArrayList<>();
        for (Throwable one = problem; one != null && chain.size() < MOST; one = one.getCause()) {
            Map<String, Object> cause = new LinkedHashMap<>();
            cause.put("class", one instanceof SerializedThrowable far ? far.getOriginalErrorClassName() : one.getClass().getName());
            cause.put("message", one.getMessage());
            cause.put("deserializing", deserializing(one.getStackTrace()));
            chain.add(cause);
        }
        return chain;
    }

    /** Whether a serializer itself says so, as of a version that it does not know; not what it reads from. */
    private static boolean deserializing(StackTraceElement[] frames) {
        for (StackTraceElement one : frames) {
            if (!one.getClassName().equals(frames[0].getClassName())) {
                return false;
            }
            if (one.getMethodName().startsWith("deserialize")) {
                return true;
            }
        }
        return false;
    }

    /** Whether some of the chain of a verdict is a failure to read, as of a file that is gone. */
    static boolean ofReading(Map<String, Object> verdict) {
        return verdict.get("causes") instanceof List<?> chain
                && chain.stream().anyMatch(one -> !Boolean.TRUE.equals(((Map<?, ?>) one).get("deserializing"))
                        && String.valueOf(((Map<?, ?>) one).get("class"))
                                .matches("java\\.io\\..*|java\\.nio\\.file\\..*"));
    }

    /** The innermost one, on one line. */
    static String root(Throwable problem) {
        List<Map<String, Object>> chain = chain(problem);
        Map<String, Object> last = chain.get(chain.size() - 1);
        String name = String.valueOf(last.get("class"));
        return name.substring(name.lastIndexOf('.') + 1) + ": " + last.get("message");
    }
}
