package load;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * A job whose capacity grows with its parallelism on any machine: a source that says how far it lags behind a
 * schedule, and a keyed operator that waits for each record, as one that asks a system outside does. Arguments: name,
 * wait in microseconds, start in milliseconds since the epoch, schedule (seconds:records-a-second,...; linear between).
 */
public final class WaitBound {
    private static final int KEYS = 100_000;
    private static final int PAYLOAD_BYTES = 1_500;

    private WaitBound() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setMaxParallelism(128);
        Schedule schedule = new Schedule(Long.parseLong(arguments[2]), arguments[3]);
        long waitNanos = TimeUnit.MICROSECONDS.toNanos(Long.parseLong(arguments[1]));
        environment
                .fromSource(new Load(schedule), WatermarkStrategy.noWatermarks(), "load", Types.TUPLE(Types.INT, Types.PRIMITIVE_ARRAY(Types.BYTE)))
                .setParallelism(1)
                .setMaxParallelism(1)
                .keyBy(record -> record.f0)
                .process(new Wait(waitNanos))
                .returns(Types.LONG)
                .name("wait"); // no sink: none is the same class from Flink 1.18 to 2.3
        environment.execute(arguments[0]);
    }

    /** Waits, and counts. */
    private static final class Wait extends KeyedProcessFunction<Integer, Tuple2<Integer, byte[]>, Long> {
        private final long waitNanos;
        private transient long next;
        private transient long taken;

        Wait(long waitNanos) {
            this.waitNanos = waitNanos;
        }

        @Override
        public void processElement(Tuple2<Integer, byte[]> record, Context context, Collector<Long> out) {
            // From begin to begin, so that what a wake-up comes late is not added up; at most a tenth of a wait, or a
            // subtask that was idle would not wait at all, and look far abler than it is.
            next = Math.max(next, System.nanoTime() - waitNanos / 10) + waitNanos;
            for (long left = next - System.nanoTime(); left > 0; left = next - System.nanoTime()) {
                LockSupport.parkNanos(left);
            }
            out.collect(++taken);
        }
    }

    /** How many records have arrived, as a function of time. */
    static final class Schedule implements java.io.Serializable {
        private final long startMillis;
        private final double[] seconds;
        private final double[] rates;

        Schedule(long startMillis, String points) {
            this.startMillis = startMillis;
            String[] parts = points.split(",");
            seconds = new double[parts.length];
            rates = new double[parts.length];
            for (int index = 0; index < parts.length; index++) {
                String[] point = parts[index].split(":");
                seconds[index] = Double.parseDouble(point[0]);
                rates[index] = Double.parseDouble(point[1]);
            }
        }

        long arrived() {
            double now = (System.currentTimeMillis() - startMillis) / 1000.0;
            double sum = 0;
            for (int index = 0; index < seconds.length; index++) {
                double begin = seconds[index];
                double end = index + 1 < seconds.length ? seconds[index + 1] : Double.MAX_VALUE;
                if (now <= begin) {
                    break;
                }
                double until = Math.min(now, end);
                double last = index + 1 < seconds.length ? rates[index + 1] : rates[index];
                double slope = index + 1 < seconds.length ? (last - rates[index]) / (end - begin) : 0;
                sum += (until - begin) * (rates[index] + slope * (until - begin) / 2);
            }
            return (long) sum;
        }
    }

    /** One split: how many records were sent. */
    static final class Sent implements SourceSplit {
        long count;

        Sent(long count) {
            this.count = count;
        }

        @Override
        public String splitId() {
            return "all";
        }
    }

    /** The source. */
    static final class Load implements Source<Tuple2<Integer, byte[]>, Sent, Boolean> {
        private final Schedule schedule;

        Load(Schedule schedule) {
            this.schedule = schedule;
        }

        @Override
        public Boundedness getBoundedness() {
            return Boundedness.CONTINUOUS_UNBOUNDED;
        }

        @Override
        public SourceReader<Tuple2<Integer, byte[]>, Sent> createReader(SourceReaderContext context) {
            return new Reader(schedule, context);
        }

        @Override
        public SplitEnumerator<Sent, Boolean> createEnumerator(SplitEnumeratorContext<Sent> context) {
            return new Enumerator(context, false);
        }

        @Override
        public SplitEnumerator<Sent, Boolean> restoreEnumerator(SplitEnumeratorContext<Sent> context, Boolean given) {
            return new Enumerator(context, given);
        }

        @Override
        public SimpleVersionedSerializer<Sent> getSplitSerializer() {
            return new Longs<>() {
                @Override
                long number(Sent value) {
                    return value.count;
                }

                @Override
                Sent value(long number) {
                    return new Sent(number);
                }
            };
        }

        @Override
        public SimpleVersionedSerializer<Boolean> getEnumeratorCheckpointSerializer() {
            return new Longs<>() {
                @Override
                long number(Boolean value) {
                    return value ? 1 : 0;
                }

                @Override
                Boolean value(long number) {
                    return number == 1;
                }
            };
        }
    }

    private abstract static class Longs<T> implements SimpleVersionedSerializer<T> {
        abstract long number(T value);

        abstract T value(long number);

        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(T value) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            new DataOutputStream(bytes).writeLong(number(value));
            return bytes.toByteArray();
        }

        @Override
        public T deserialize(int version, byte[] bytes) throws IOException {
            return value(new DataInputStream(new ByteArrayInputStream(bytes)).readLong());
        }
    }

    /** Gives the split to the first reader. */
    private static final class Enumerator implements SplitEnumerator<Sent, Boolean> {
        private final SplitEnumeratorContext<Sent> context;
        private boolean given;

        Enumerator(SplitEnumeratorContext<Sent> context, boolean given) {
            this.context = context;
            this.given = given;
        }

        @Override
        public void start() {}

        @Override
        public void handleSplitRequest(int subtask, String host) {}

        @Override
        public void addSplitsBack(List<Sent> splits, int subtask) {
            splits.forEach(split -> context.assignSplit(split, subtask));
        }

        @Override
        public void addReader(int subtask) {
            if (!given) {
                context.assignSplit(new Sent(0), subtask);
                given = true;
            }
        }

        @Override
        public Boolean snapshotState(long checkpoint) {
            return given;
        }

        @Override
        public void close() {}
    }

    /** Sends what has arrived, and says how much waits. */
    private static final class Reader implements SourceReader<Tuple2<Integer, byte[]>, Sent> {
        private static final int LOOK_EVERY_MILLIS = 5;
        private final Schedule schedule;
        private final SourceReaderContext context;
        private final byte[] payload = new byte[PAYLOAD_BYTES];
        private Sent sent;

        Reader(Schedule schedule, SourceReaderContext context) {
            this.schedule = schedule;
            this.context = context;
        }

        @Override
        public void start() {
            context.metricGroup().setPendingRecordsGauge(() -> sent == null ? 0L : schedule.arrived() - sent.count);
        }

        @Override
        public InputStatus pollNext(ReaderOutput<Tuple2<Integer, byte[]>> output) {
            if (sent == null || sent.count >= schedule.arrived()) {
                return InputStatus.NOTHING_AVAILABLE;
            }
            sent.count++;
            context.metricGroup().getIOMetricGroup().getNumRecordsInCounter().inc();
            output.collect(Tuple2.of((int) (sent.count * 2_654_435_761L % KEYS), payload));
            return InputStatus.MORE_AVAILABLE;
        }

        @Override
        public List<Sent> snapshotState(long checkpoint) {
            return sent == null ? List.of() : List.of(new Sent(sent.count));
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return CompletableFuture.runAsync(
                    () -> {}, CompletableFuture.delayedExecutor(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS));
        }

        @Override
        public void addSplits(List<Sent> splits) {
            sent = splits.get(0);
        }

        @Override
        public void notifyNoMoreSplits() {}

        @Override
        public void close() {}
    }
}
