package flinkops.price;

import java.util.List;
import java.util.Properties;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.fs.Path;

/** Where scrapes come from. */
public final class Sources {
    private Sources() {}

    /** A topic from its first or, of a job without state, only new records on; bounded: up to where it ends now. */
    public static KafkaSource<Scrape> ofKafka(Properties properties, String topic, boolean onlyNew, boolean bounded) {
        var source =
                KafkaSource.<Scrape>builder()
                        .setProperties(properties)
                        .setTopics(topic)
                        .setStartingOffsets(onlyNew ? OffsetsInitializer.latest() : OffsetsInitializer.earliest())
                        .setDeserializer(new KafkaScrapes());
        if (bounded) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return source.build();
    }

    /** Files and folders: JSON lines, plain or gzip, and Parquet. */
    public static FileSource<Scrape> ofFiles(List<String> paths) {
        Path[] found = paths.stream().map(Path::new).toArray(Path[]::new);
        return FileSource.forBulkFileFormat(new FileScrapes(), found)
                .setFileEnumerator(SortedFiles.Enumerator::new)
                .setSplitAssigner(SortedFiles.Assigner::new)
                .build();
    }
}
