package baseline;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * The yardstick: price aggregation as a hand-written DataStream job of the usual kind. POJOs, a
 * KeyedProcessFunction with a timer for each price, the DataStream API's windows. Arguments: bootstrap, topic,
 * order (event or arrival), name.
 */
public final class Baseline {
    private static final OutputTag<String> DEAD = new OutputTag<>("dead", Types.STRING);
    private static final long TTL_MILLIS = Duration.ofHours(24).toMillis();

    private Baseline() {}

    public static final class Scrape {
        public String reason;
        public String sku;
        public String retailer;
        public String currency;
        public BigDecimal price;
        public long scrapedAt;
        public long offset;

        public String key() {
            return sku + '\u0001' + retailer + '\u0001' + currency;
        }
    }

    public static final class Price {
        public String sku;
        public String currency;
        public long windowStart;
        public long windowEnd;
        public double avg;
        public BigDecimal min;
        public BigDecimal max;
        public BigDecimal last;
        public long changes;

        @Override
        public String toString() {
            return String.join(
                    ", ", sku, currency, Instant.ofEpochMilli(windowStart).toString(),
                    Instant.ofEpochMilli(windowEnd).toString(), String.valueOf(avg), min.toString(), max.toString(),
                    last.toString(), String.valueOf(changes));
        }
    }

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.setParallelism(1);
        env.getConfig().enableObjectReuse();
        KafkaSource<Scrape> source =
                KafkaSource.<Scrape>builder()
                        .setBootstrapServers(args[0])
                        .setTopics(args[1])
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setBounded(OffsetsInitializer.latest())
                        .setDeserializer(new Parse())
                        .build();
        WatermarkStrategy<Scrape> watermarks =
                WatermarkStrategy.<Scrape>forBoundedOutOfOrderness(Duration.ofSeconds(90))
                        .withTimestampAssigner((scrape, previous) -> scrape.scrapedAt);
        SingleOutputStreamOperator<Scrape> changes =
                env.fromSource(source, watermarks, "scrapes")
                        .filter(scrape -> scrape.reason == null)
                        .keyBy(Scrape::key)
                        .process("event".equals(args[2]) ? new EventOrder() : new ArrivalOrder());
        changes.getSideOutput(DEAD).sinkTo(new DiscardingSink<>());
        changes.keyBy(scrape -> Tuple2.of(scrape.sku, scrape.currency), Types.TUPLE(Types.STRING, Types.STRING))
                .window(TumblingEventTimeWindows.of(Duration.ofMinutes(5)))
                .aggregate(new Prices(), new Window())
                .print();
        env.execute(args[3]);
    }

    private static final class Parse implements KafkaRecordDeserializationSchema<Scrape> {
        private static final ObjectMapper JSON = new ObjectMapper();

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Scrape> out) {
            Scrape scrape = new Scrape();
            scrape.offset = record.offset();
            try {
                JsonNode json = JSON.readTree(record.value());
                scrape.sku = json.path("sku").asText();
                scrape.retailer = json.path("retailer").asText();
                scrape.currency = json.path("currency").asText();
                JsonNode price = json.get("price");
                if (scrape.sku.isEmpty() || price == null || !price.isNumber() || price.doubleValue() < 0) {
                    scrape.reason = "malformed";
                } else {
                    scrape.price = price.decimalValue().setScale(4, RoundingMode.HALF_UP);
                    scrape.scrapedAt = Instant.parse(json.path("scraped_at").asText()).toEpochMilli();
                    if (scrape.scrapedAt > record.timestamp() + 300_000) {
                        scrape.reason = "in_the_future";
                    }
                }
            } catch (Exception e) {
                scrape.reason = "malformed";
            }
            out.collect(scrape);
        }

        @Override
        public TypeInformation<Scrape> getProducedType() {
            return Types.POJO(Scrape.class);
        }
    }

    /** What both orders share: the price before, and whether this one is a change. */
    private abstract static class Changes extends KeyedProcessFunction<String, Scrape, Scrape> {
        private transient ValueState<Tuple2<BigDecimal, Long>> last;

        @Override
        public void open(OpenContext context) throws Exception {
            last =
                    getRuntimeContext()
                            .getState(new ValueStateDescriptor<>("last", Types.TUPLE(Types.BIG_DEC, Types.LONG)));
        }

        void compare(Scrape scrape, Collector<Scrape> out) throws Exception {
            Tuple2<BigDecimal, Long> before = last.value();
            last.update(Tuple2.of(scrape.price, scrape.scrapedAt));
            if (before == null
                    || !before.f0.equals(scrape.price)
                    || scrape.scrapedAt - before.f1 > TTL_MILLIS) {
                out.collect(scrape);
            }
        }
    }

    private static final class ArrivalOrder extends Changes {
        @Override
        public void processElement(Scrape scrape, Context context, Collector<Scrape> out) throws Exception {
            if (scrape.scrapedAt <= context.timerService().currentWatermark()) {
                context.output(DEAD, scrape.key());
                return;
            }
            compare(scrape, out);
        }
    }

    private static final class EventOrder extends Changes {
        private transient ListState<Scrape> waiting;

        @Override
        public void open(OpenContext context) throws Exception {
            super.open(context);
            waiting =
                    getRuntimeContext().getListState(new ListStateDescriptor<>("waiting", Types.POJO(Scrape.class)));
        }

        @Override
        public void processElement(Scrape scrape, Context context, Collector<Scrape> out) throws Exception {
            if (scrape.scrapedAt <= context.timerService().currentWatermark()) {
                context.output(DEAD, scrape.key());
                return;
            }
            waiting.add(scrape);
            context.timerService().registerEventTimeTimer(scrape.scrapedAt);
        }

        @Override
        public void onTimer(long timestamp, OnTimerContext context, Collector<Scrape> out) throws Exception {
            List<Scrape> ready = new ArrayList<>();
            List<Scrape> later = new ArrayList<>();
            for (Scrape scrape : waiting.get()) {
                (scrape.scrapedAt <= timestamp ? ready : later).add(scrape);
            }
            if (ready.isEmpty()) {
                return;
            }
            waiting.update(later);
            ready.sort(Comparator.<Scrape>comparingLong(s -> s.scrapedAt).thenComparingLong(s -> s.offset));
            for (Scrape scrape : ready) {
                compare(scrape, out);
            }
        }
    }

    public static final class Sums {
        public BigDecimal sum = BigDecimal.ZERO;
        public BigDecimal min;
        public BigDecimal max;
        public BigDecimal last;
        public long lastAt = Long.MIN_VALUE;
        public long lastOffset;
        public long count;
    }

    private static final class Prices implements AggregateFunction<Scrape, Sums, Sums> {
        @Override
        public Sums createAccumulator() {
            return new Sums();
        }

        @Override
        public Sums add(Scrape scrape, Sums sums) {
            sums.sum = sums.sum.add(scrape.price);
            sums.min = sums.min == null ? scrape.price : sums.min.min(scrape.price);
            sums.max = sums.max == null ? scrape.price : sums.max.max(scrape.price);
            if (scrape.scrapedAt > sums.lastAt
                    || scrape.scrapedAt == sums.lastAt && scrape.offset >= sums.lastOffset) {
                sums.last = scrape.price;
                sums.lastAt = scrape.scrapedAt;
                sums.lastOffset = scrape.offset;
            }
            sums.count++;
            return sums;
        }

        @Override
        public Sums getResult(Sums sums) {
            return sums;
        }

        @Override
        public Sums merge(Sums a, Sums b) {
            throw new UnsupportedOperationException("tumbling windows do not merge");
        }
    }

    private static final class Window
            extends ProcessWindowFunction<Sums, Price, Tuple2<String, String>, TimeWindow> {
        @Override
        public void process(
                Tuple2<String, String> key, Context context, Iterable<Sums> all, Collector<Price> out) {
            Sums sums = all.iterator().next();
            Price price = new Price();
            price.sku = key.f0;
            price.currency = key.f1;
            price.windowStart = context.window().getStart();
            price.windowEnd = context.window().getEnd();
            price.avg = sums.sum.doubleValue() / sums.count;
            price.min = sums.min;
            price.max = sums.max;
            price.last = sums.last;
            price.changes = sums.count;
            out.collect(price);
        }
    }
}
