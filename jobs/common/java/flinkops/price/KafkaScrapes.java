package flinkops.price;

import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** A Kafka record to a Scrape; its ingestion time is the record's timestamp. */
public final class KafkaScrapes implements KafkaRecordDeserializationSchema<Scrape> {
    private static final long serialVersionUID = 1L;

    private transient ScrapeParser parser;

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        parser = new ScrapeParser();
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Scrape> out) {
        Scrape scrape = new Scrape();
        scrape.raw = record.value();
        scrape.source = record.topic();
        scrape.partition = record.partition();
        scrape.position = record.offset();
        scrape.sequence = record.offset();
        scrape.rawBytes = scrape.raw == null ? 0 : scrape.raw.length;
        scrape.ingestedAt = record.timestamp() < 0 ? Scrape.NO_TIME : Times.inRange(record.timestamp());
        parser.parse(scrape);
        out.collect(scrape);
    }

    @Override
    public TypeInformation<Scrape> getProducedType() {
        return TypeInformation.of(Scrape.class);
    }
}
