package flinkops.faults;

import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;

/** Writes what comes out into another topic, for another job to read. */
final class Onward {
    private Onward() {}

    static KafkaSink<Event> to(String topic, Options options) {
        SerializationSchema<Event> payload = event -> event.payload;
        return KafkaSink.<Event>builder()
                .setBootstrapServers(options.text("bootstrap", ""))
                .setRecordSerializer(KafkaRecordSerializationSchema.<Event>builder().setTopic(topic).setValueSerializationSchema(payload).build())
                .build();
    }
}
