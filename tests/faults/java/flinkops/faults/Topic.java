package flinkops.faults;

import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Events from a Kafka topic, with a watermark for each partition. */
final class Topic {
    private Topic() {}

    static DataStream<Event> of(StreamExecutionEnvironment environment, Options options) {
        KafkaSource<Event> source =
                KafkaSource.<Event>builder()
                        .setBootstrapServers(options.text("bootstrap", ""))
                        .setTopics(options.text("topic", ""))
                        .setGroupId(options.text("topic", ""))
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setProperties(properties(options))
                        .setValueOnlyDeserializer(new Received())
                        .build();
        WatermarkStrategy<Event> watermarks = WatermarkStrategy.forBoundedOutOfOrderness(Duration.ofSeconds(2));
        return environment.fromSource(source, watermarks, "orders").uid("orders");
    }

    /** How it logs in, and what of transactions it reads, where that is asked for. */
    private static Properties properties(Options options) {
        Properties properties = new Properties();
        properties.setProperty("isolation.level", options.text("isolation", "read_uncommitted"));
        String password = options.text("password", "");
        if (!password.isEmpty()) {
            properties.setProperty("security.protocol", "SASL_PLAINTEXT");
            properties.setProperty("sasl.mechanism", "PLAIN");
            properties.setProperty(
                    "sasl.jaas.config",
                    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"lab\" password=\"" + password + "\";");
        }
        return properties;
    }

    /** The payload, and a key of it. */
    static final class Received extends AbstractDeserializationSchema<Event> {
        @Override
        public Event deserialize(byte[] message) {
            return new Event(0, Math.floorMod(Arrays.hashCode(message), 100), System.currentTimeMillis(), message);
        }
    }
}
