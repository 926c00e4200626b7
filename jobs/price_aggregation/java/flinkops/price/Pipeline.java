package flinkops.price;

import java.util.List;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.data.RowData;

/** The job up to its price changes, put together from Python; SQL does the rest. */
public final class Pipeline {
    private final SingleOutputStreamOperator<RowData> accepted;
    private final SingleOutputStreamOperator<RowData> changes;

    private Pipeline(DataStream<Scrape> scrapes, Options options) {
        DedupKey key = new DedupKey(options.dedupKey);
        int maxParallelism = scrapes.getExecutionEnvironment().getMaxParallelism();
        accepted =
                scrapes.process(new Classify(options.delayMillis, maxParallelism, key, options.maxDeadLetterBytes))
                        .returns(Rows.ACCEPTED)
                        .name("classify")
                        .uid("classify");
        changes =
                accepted.keyBy(row -> row.getInt(Rows.SHARD))
                        .transform("dedup", Rows.CHANGES, new Dedup(key, options.ttlMillis, options.eventOrder))
                        .name("dedup")
                        .uid("dedup");
    }

    /** What decides which scrapes are changes, and how much is kept of those that are none. */
    public static final class Options {
        private final long delayMillis;
        private final long idleMillis;
        private final long ttlMillis;
        private final boolean eventOrder;
        private final List<String> dedupKey;
        private final int maxDeadLetterBytes;

        public Options(
                long delayMillis,
                long idleMillis,
                long ttlMillis,
                boolean eventOrder,
                List<String> dedupKey,
                int maxDeadLetterBytes) {
            this.delayMillis = delayMillis;
            this.idleMillis = idleMillis;
            this.ttlMillis = ttlMillis;
            this.eventOrder = eventOrder;
            this.dedupKey = List.copyOf(dedupKey);
            this.maxDeadLetterBytes = maxDeadLetterBytes;
        }
    }

    /** From the earliest offset; bounded: up to where the topic ends now. */
    public static Pipeline ofKafka(
            StreamExecutionEnvironment env, Options options, Properties properties, String topic, boolean bounded) {
        KafkaSource<Scrape> source = Sources.ofKafka(properties, topic, false, bounded);
        return of(env.fromSource(source, watermarks(options), "scrapes"), options);
    }

    /** Files and folders: JSON lines, plain or gzip, and Parquet. */
    public static Pipeline ofFiles(StreamExecutionEnvironment env, Options options, List<String> paths) {
        return of(env.fromSource(Sources.ofFiles(paths), watermarks(options), "scrapes"), options);
    }

    private static Pipeline of(SingleOutputStreamOperator<Scrape> scrapes, Options options) {
        return new Pipeline(scrapes.uid("scrapes"), options);
    }

    private static WatermarkStrategy<Scrape> watermarks(Options options) {
        return EventTime.strategy(options.delayMillis, options.idleMillis);
    }

    /** Scrapes whose price differs from the one before. */
    public DataStream<RowData> changes() {
        return changes;
    }

    /** Malformed and late records. */
    public DataStream<RowData> deadLetters() {
        return accepted.getSideOutput(Rows.DEAD_LETTER).union(changes.getSideOutput(Rows.DEAD_LETTER));
    }
}
