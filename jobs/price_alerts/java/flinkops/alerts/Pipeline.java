package flinkops.alerts;

import flinkops.price.EventTime;
import flinkops.price.Scrape;
import flinkops.price.Sources;
import java.util.List;
import java.util.Properties;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The whole job, put together from Python: scrapes, their classification, the changes of each SKU, a sink. */
public final class Pipeline {
    private final SingleOutputStreamOperator<Alert> alerts;

    private Pipeline(SingleOutputStreamOperator<Scrape> scrapes, long ttlMillis) {
        alerts =
                scrapes.uid("scrapes")
                        .process(new Classify())
                        .setParallelism(scrapes.getParallelism())
                        .name("classify")
                        .uid("classify")
                        .keyBy(seen -> seen.sku)
                        .process(new Detect(ttlMillis))
                        .name("detect")
                        .uid("detect");
    }

    /** From a topic; a partition without records for `idleMillis` holds back no watermark, 0: it always does. */
    public static Pipeline ofKafka(
            StreamExecutionEnvironment env, Properties properties, String topic, boolean onlyNew, boolean bounded,
            long idleMillis, long ttlMillis) {
        return of(env, Sources.ofKafka(properties, topic, onlyNew, bounded), env.getParallelism(), idleMillis, ttlMillis);
    }

    /** From files, by one reader: several would take them in no certain order. */
    public static Pipeline ofFiles(StreamExecutionEnvironment env, List<String> paths, long ttlMillis) {
        return of(env, Sources.ofFiles(paths), 1, 0, ttlMillis);
    }

    private static Pipeline of(
            StreamExecutionEnvironment env, Source<Scrape, ?, ?> source, int readers, long idleMillis, long ttlMillis) {
        // Nothing waits for the watermark: it only shows how far behind the clock the scrapes are.
        var scrapes = env.fromSource(source, EventTime.strategy(0, idleMillis), "scrapes");
        return new Pipeline(scrapes.setParallelism(readers), ttlMillis);
    }

    /** At once and at least once; with a prefix for transactions: exactly once, with the next checkpoint. */
    public void toKafka(String topic, Properties properties, String transactionPrefix) {
        KafkaSinkBuilder<Alert> sink =
                KafkaSink.<Alert>builder()
                        .setBootstrapServers(properties.getProperty("bootstrap.servers"))
                        .setKafkaProducerConfig(properties)
                        .setRecordSerializer(new AlertRecords(topic))
                        .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE);
        if (transactionPrefix != null) {
            sink.setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix(transactionPrefix);
        }
        alerts.sinkTo(sink.build()).name("alerts").uid("alerts");
    }

    /** A folder of JSON lines. */
    public void toFiles(String folder) {
        Encoder<Alert> lines =
                (alert, stream) -> {
                    stream.write(alert.value);
                    stream.write('\n');
                };
        alerts.sinkTo(FileSink.forRowFormat(new Path(folder), lines).build()).name("alerts").uid("alerts");
    }
}
