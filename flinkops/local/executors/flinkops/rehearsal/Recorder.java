package flinkops.rehearsal;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** What the job's subtasks did with their states, of all of them; they run in this process. */
final class Recorder {
    static final int VALUES_READ = 1000;

    /** The backend that the job would have: its name, or what the program itself set. */
    static volatile String backendName = "hashmap";

    static volatile org.apache.flink.runtime.state.StateBackend backend;

    /** Why a coordinator could not read its state; null: none has said so. */
    static volatile Throwable refused;

    private static final Map<String, Opened> STATES = new LinkedHashMap<>();

    private Recorder() {}

    /** One state of one operator, over its subtasks. */
    static final class Opened {
        final String operator;
        final String name;
        final String kind;
        final String type;
        final String serializer;
        String compatibility = "as-is";
        boolean restored;
        long valuesRead;
        String error;
        final Set<String> droppedFields = new TreeSet<>();

        Opened(String operator, String name, String kind, String type, String serializer) {
            this.operator = operator;
            this.name = name;
            this.kind = kind;
            this.type = type;
            this.serializer = serializer;
        }
    }

    static synchronized Opened opened(String operator, String name, String kind, String type, String serializer) {
        return STATES.computeIfAbsent(
                operator + "\n" + kind + "\n" + name, key -> new Opened(operator, name, kind, type, serializer));
    }

    static synchronized void note(Opened state, String compatibility, boolean restored, Throwable problem) {
        state.restored |= restored;
        if (problem != null && state.error == null) {
            state.compatibility = "incompatible";
            state.error = Causes.root(problem);
        } else if (state.error == null && compatibility != null) {
            state.compatibility = compatibility;
        }
    }

    static synchronized void drops(Opened state, Set<String> fields) {
        state.droppedFields.addAll(fields);
    }

    static synchronized void read(Opened state, long values) {
        state.valuesRead += values;
    }

    /** Before the next restore. */
    static synchronized void forget() {
        refused = null;
        STATES.clear();
    }

    static synchronized List<Map<String, Object>> told() {
        List<Map<String, Object>> all = new ArrayList<>();
        for (Opened one : STATES.values()) {
            Map<String, Object> state = new LinkedHashMap<>();
            state.put("operator", one.operator);
            state.put("name", one.name);
            state.put("kind", one.kind);
            state.put("type", one.type);
            state.put("serializer", one.serializer);
            state.put("compatibility", one.compatibility);
            state.put("restored", one.restored);
            state.put("keys_read", one.valuesRead);
            state.put("error", one.error);
            state.put("dropped_fields", List.copyOf(one.droppedFields));
            all.add(state);
        }
        return all;
    }
}
