package flinkops.faults;

import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;

/** Writes what comes out into another topic, for another job to read; in transactions where their timeout is given. */
final class Onward {
    private Onward() {}

    /** A class of its own: the sink wants to know the type of what it takes. */
    static final class Payload implements SerializationSchema<Event> {
        @Override
        public byte[] serialize(Event event) {
            return event.payload;
        }
    }

    static KafkaSink<Event> to(String topic, Options options) {
        SerializationSchema<Event> payload = new Payload();
        KafkaSinkBuilder<Event> sink =
                KafkaSink.<Event>builder()
                        .setBootstrapServers(options.text("bootstrap", ""))
                        .setRecordSerializer(KafkaRecordSerializationSchema.<Event>builder().setTopic(topic).setValueSerializationSchema(payload).build());
        String timeout = options.text("transaction-timeout-ms", "");
        if (!timeout.isEmpty()) {
            sink.setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                    .setTransactionalIdPrefix(options.text("name", "lab"))
                    .setProperty("transaction.timeout.ms", timeout);
        }
        return sink.build();
    }
}
