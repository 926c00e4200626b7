package flinkops.faults;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** JSON documents of so many fields: written by one operator, read by the next, to read a single field. */
public final class Documents {
    private Documents() {}

    /** As another system's producer would write them. */
    public static final class Write extends RichMapFunction<Event, String> {
        private final int fields;
        private final long renamedAtRecord;
        private transient long written;
        private transient ObjectMapper mapper;

        public Write(Options options) {
            fields = (int) options.whole("fields", 10);
            renamedAtRecord = options.whole("renamed-at-record", Long.MAX_VALUE);
        }

        @Override
        public String map(Event event) throws Exception {
            if (mapper == null) {
                mapper = new ObjectMapper();
            }
            Map<String, Object> document = new LinkedHashMap<>();
            document.put(written++ < renamedAtRecord ? "key" : "orderKey", event.key);
            for (int index = 0; index < fields; index++) {
                document.put("attribute-" + index, Map.of("value", event.id + index * 0.1, "unit", "EUR", "valid", true));
            }
            return mapper.writeValueAsString(document);
        }
    }

    public static final class Read extends RichMapFunction<String, Event> {
        private transient ObjectMapper mapper;

        @Override
        public Event map(String text) throws Exception {
            if (mapper == null) {
                mapper = new ObjectMapper();
            }
            JsonNode document = mapper.readTree(text);
            return new Event(0, document.get("key").asLong(), System.currentTimeMillis(), new byte[0]);
        }
    }
}
