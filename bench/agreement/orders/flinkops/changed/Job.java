package flinkops.changed;

import java.io.IOException;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ReducingState;
import org.apache.flink.api.common.state.ReducingStateDescriptor;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/** A source and serializers of its own, two keyed inputs with side outputs, state of an operator; one line changed. */
public final class Job {
    static final OutputTag<String> LATE = new OutputTag<>("late", Types.STRING);

    private Job() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        DataStream<Long> orders = environment
                .fromSource(new Shards(3), WatermarkStrategy.noWatermarks(), "orders", Types.LONG).uid("orders");
        DataStream<Long> payments = environment
                .fromSource(new Shards(2), WatermarkStrategy.noWatermarks(), "payments", Types.LONG).uid("payments");
        SingleOutputStreamOperator<Long> numbered = orders.map(new Numbered()).uid("numbered").name("numbered"); // split
        SingleOutputStreamOperator<String> matched = numbered
                .keyBy(number -> number % 50)
                .connect(payments.keyBy(number -> number % 50))
                .process(new Match()).uid("match").name("match");
        matched.sinkTo(new DiscardingSink<>()).uid("matched");
        matched.getSideOutput(LATE).sinkTo(new DiscardingSink<>()).uid("late");
        environment.execute(arguments.length > 0 ? arguments[0] : "orders");
    }

    /** Of no shape that Flink knows: by Kryo. */
    public static class Note implements Serializable {
        private final String text;

        Note(String text) { // without an empty one it is no POJO
            this.text = text;
        }
    }

    public static class Order {
        public long number;
        public int pieces; // first
        public String customer = "c"; // second
        public Address address = new Address();
    }

    public static class Address {
        public String city = "x"; // city
    }

    public enum Stage { OPEN, PAID /* stages */ }

    public static class Match extends KeyedCoProcessFunction<Long, Long, Long, String> {
        private transient ValueState<Order> order;
        private transient MapState<String, Money> paid;
        private transient ValueState<Note> note;
        private transient ReducingState<Long> total;
        private transient ValueState<Stage> stage;
        private transient ListState<Long> expiring;

        @Override
        public void open(OpenContext context) {
            order = getRuntimeContext().getState(new ValueStateDescriptor<>("order", Order.class));
            paid = getRuntimeContext()
                    .getMapState(new MapStateDescriptor<>("paid", Types.STRING.createSerializer(config()), new MoneySerializer()));
            note = getRuntimeContext().getState(new ValueStateDescriptor<>("note", TypeInformation.of(Note.class)));
            total = getRuntimeContext()
                    .getReducingState(new ReducingStateDescriptor<>("total", (one, other) -> one + other, Types.LONG));
            stage = getRuntimeContext().getState(new ValueStateDescriptor<>("stage", Stage.class));
            ListStateDescriptor<Long> described = new ListStateDescriptor<>("expiring", Types.LONG);
            described.enableTimeToLive(StateTtlConfig.newBuilder(Duration.ofHours(1)).build()); // expires
            expiring = getRuntimeContext().getListState(described);
        }

        private static org.apache.flink.api.common.serialization.SerializerConfig config() {
            return new org.apache.flink.api.common.serialization.SerializerConfigImpl();
        }

        @Override
        public void processElement1(Long number, Context context, Collector<String> out) throws Exception {
            Order one = order.value() == null ? new Order() : order.value();
            one.number = number;
            order.update(one);
            Note before = note.value();
            note.update(new Note(before == null ? "n" : before.text.substring(0, 1) + number));
            stage.update(stage.value() == null ? Stage.values()[0] : Stage.PAID);
            total.add(1L);
            expiring.add(number);
            out.collect("order " + number);
        }

        @Override
        public void processElement2(Long number, Context context, Collector<String> out) throws Exception {
            Money before = paid.get("p" + number % 3);
            paid.put("p" + number % 3, new Money(before == null ? number : before.cents + number));
            context.timerService().registerProcessingTimeTimer(Long.MAX_VALUE - 1);
            context.output(LATE, "payment " + number);
        }
    }

    /** Counts what it has seen, in state of the operator. */
    public static class Numbered extends RichMapFunction<Long, Long> implements CheckpointedFunction {
        private transient ListState<Long> kept;
        private long seen;

        @Override
        public Long map(Long number) {
            seen++;
            return number;
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            kept.update(List.of(seen));
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            kept = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("seen", Types.LONG));
            for (Long one : kept.get()) {
                seen += one;
            }
        }
    }

    public static class Money {
        final long cents;

        Money(long cents) {
            this.cents = cents;
        }
    }

    /** A serializer with a snapshot of its own. */
    public static final class MoneySerializer extends TypeSerializerSingleton<Money> {
        @Override
        public boolean isImmutableType() {
            return true;
        }

        @Override
        public Money createInstance() {
            return new Money(0);
        }

        @Override
        public Money copy(Money from) {
            return from;
        }

        @Override
        public Money copy(Money from, Money reuse) {
            return from;
        }

        @Override
        public int getLength() {
            return Long.BYTES;
        }

        @Override
        public void serialize(Money money, DataOutputView out) throws IOException {
            out.writeLong(money.cents);
        }

        @Override
        public Money deserialize(DataInputView in) throws IOException {
            return new Money(in.readLong()); // reads
        }

        @Override
        public Money deserialize(Money reuse, DataInputView in) throws IOException {
            return deserialize(in);
        }

        @Override
        public void copy(DataInputView in, DataOutputView out) throws IOException {
            out.writeLong(in.readLong());
        }

        @Override
        public TypeSerializerSnapshot<Money> snapshotConfiguration() {
            return new Snapshot();
        }

        public static final class Snapshot extends SimpleTypeSerializerSnapshot<Money> {
            public Snapshot() {
                super(MoneySerializer::new);
            }
        }
    }

    public static class Shard implements SourceSplit {
        final String id;
        long next;

        Shard(String id, long next) {
            this.id = id;
            this.next = next;
        }

        @Override
        public String splitId() {
            return id;
        }
    }

    /** So many shards, each a sequence of numbers; what is not assigned is the enumerator's state. */
    public static class Shards implements Source<Long, Shard, List<Shard>> {
        private final int number;

        Shards(int number) {
            this.number = number;
        }

        @Override
        public Boundedness getBoundedness() {
            return Boundedness.CONTINUOUS_UNBOUNDED;
        }

        @Override
        public SourceReader<Long, Shard> createReader(SourceReaderContext context) {
            return new Reader(context);
        }

        @Override
        public SplitEnumerator<Shard, List<Shard>> createEnumerator(SplitEnumeratorContext<Shard> context) {
            List<Shard> all = new ArrayList<>();
            for (int one = 0; one < number; one++) {
                all.add(new Shard("shard-" + one, one));
            }
            return new Enumerator(context, all);
        }

        @Override
        public SplitEnumerator<Shard, List<Shard>> restoreEnumerator(
                SplitEnumeratorContext<Shard> context, List<Shard> left) {
            return new Enumerator(context, left);
        }

        @Override
        public SimpleVersionedSerializer<Shard> getSplitSerializer() {
            return new ShardSerializer();
        }

        @Override
        public SimpleVersionedSerializer<List<Shard>> getEnumeratorCheckpointSerializer() {
            return new ShardsSerializer();
        }
    }

    private static final class Enumerator implements SplitEnumerator<Shard, List<Shard>> {
        private final SplitEnumeratorContext<Shard> context;
        private final List<Shard> left;

        Enumerator(SplitEnumeratorContext<Shard> context, List<Shard> left) {
            this.context = context;
            this.left = new ArrayList<>(left);
        }

        @Override
        public void start() {}

        @Override
        public void handleSplitRequest(int subtask, String host) {}

        @Override
        public void addSplitsBack(List<Shard> splits, int subtask) {
            left.addAll(splits);
        }

        @Override
        public void addReader(int subtask) {
            for (Shard one : left) {
                context.assignSplit(one, subtask);
            }
            left.clear();
        }

        @Override
        public List<Shard> snapshotState(long checkpoint) {
            return left;
        }

        @Override
        public void close() {}
    }

    private static final class Reader implements SourceReader<Long, Shard> {
        private final SourceReaderContext context;
        private final List<Shard> shards = new ArrayList<>();
        private CompletableFuture<Void> available = new CompletableFuture<>();
        private int turn;

        Reader(SourceReaderContext context) {
            this.context = context;
        }

        @Override
        public void start() {}

        @Override
        public InputStatus pollNext(ReaderOutput<Long> output) throws Exception {
            if (shards.isEmpty()) {
                return InputStatus.NOTHING_AVAILABLE;
            }
            Thread.sleep(5);
            Shard shard = shards.get(turn++ % shards.size());
            output.collect(shard.next++);
            return InputStatus.MORE_AVAILABLE;
        }

        @Override
        public List<Shard> snapshotState(long checkpoint) {
            List<Shard> copies = new ArrayList<>();
            shards.forEach(one -> copies.add(new Shard(one.id, one.next)));
            return copies;
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return available;
        }

        @Override
        public void addSplits(List<Shard> splits) {
            shards.addAll(splits);
            available.complete(null);
        }

        @Override
        public void notifyNoMoreSplits() {}

        @Override
        public void close() {}
    }

    static final class ShardSerializer implements SimpleVersionedSerializer<Shard> {
        @Override
        public int getVersion() {
            return 1; // of shards
        }

        @Override
        public byte[] serialize(Shard shard) {
            byte[] id = shard.id.getBytes();
            return ByteBuffer.allocate(Long.BYTES + id.length).putLong(shard.next).put(id).array();
        }

        @Override
        public Shard deserialize(int version, byte[] bytes) throws IOException {
            if (version != getVersion()) {
                throw new IOException("a shard of version " + version);
            }
            return new Shard(new String(bytes, Long.BYTES, bytes.length - Long.BYTES), ByteBuffer.wrap(bytes).getLong());
        }
    }

    static final class ShardsSerializer implements SimpleVersionedSerializer<List<Shard>> {
        @Override
        public int getVersion() {
            return 1; // of the rest
        }

        @Override
        public byte[] serialize(List<Shard> left) {
            return String.join(",", left.stream().map(one -> one.id).toList()).getBytes();
        }

        @Override
        public List<Shard> deserialize(int version, byte[] bytes) throws IOException {
            if (version != getVersion()) {
                throw new IOException("a rest of version " + version);
            }
            List<Shard> left = new ArrayList<>();
            for (String id : bytes.length == 0 ? new String[0] : new String(bytes).split(",")) {
                left.add(new Shard(id, 0));
            }
            return left;
        }
    }
}
