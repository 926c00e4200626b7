package flinkops.changed;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringEncoder;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.cep.CEP;
import org.apache.flink.cep.functions.PatternProcessFunction;
import org.apache.flink.cep.functions.TimedOutPartialMatchHandler;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.cep.pattern.conditions.IterativeCondition;
import org.apache.flink.cep.pattern.conditions.SimpleCondition;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.DateTimeBucketAssigner;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/** Asynchronous look-ups, a pattern of events with those that time out aside, and files; run with one line changed. */
public final class Job {
    static final OutputTag<String> TIMED_OUT = new OutputTag<>("timed-out", Types.STRING);

    private Job() {}

    /** The second argument is the folder of the files. */
    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        DataStream<Payment> payments = environment.fromSequence(0, Long.MAX_VALUE / 2).uid("payments")
                .map(number -> { Thread.sleep(2); return number; }).returns(Types.LONG).uid("slow")
                .map(Payment::of).returns(Payment.class).uid("parsed")
                .assignTimestampsAndWatermarks(WatermarkStrategy.<Payment>forBoundedOutOfOrderness(Duration.ofSeconds(5))
                        .withTimestampAssigner((one, before) -> one.atMillis)).uid("timed");
        DataStream<Payment> rated = AsyncDataStream.unorderedWait(
                payments, new Rate(), 5, TimeUnit.SECONDS, 20).uid("rate"); // look-up
        Pattern<Payment, ?> pattern = Pattern.<Payment>begin("small").where(SimpleCondition.of(one -> one.cents < 100))
                .followedBy("large").where(new Larger()).within(Duration.ofMinutes(10)); // pattern
        SingleOutputStreamOperator<String> alerts = CEP.pattern(rated.keyBy(one -> one.card), pattern)
                .process(new Alert()).uid("alert").name("alert");
        alerts.getSideOutput(TIMED_OUT).sinkTo(files(arguments[1] + "/timed-out")).uid("timed-out-files");
        alerts.sinkTo(files(arguments[1] + "/alerts")).uid("alert-files");
        environment.execute(arguments[0]);
    }

    private static FileSink<String> files(String folder) {
        return FileSink.forRowFormat(new Path(folder), new SimpleStringEncoder<String>())
                .withBucketAssigner(new DateTimeBucketAssigner<>("yyyy")) // buckets
                .withRollingPolicy(OnCheckpointRollingPolicy.build()) // rolling
                .build();
    }

    public static class Payment {
        public String card; // first
        public long cents; // second
        public long atMillis;
        public Map<String, String> tags = new HashMap<>(); // third

        static Payment of(long number) {
            Payment one = new Payment();
            one.card = "c" + number % 50;
            one.cents = number % 7 * 50;
            one.atMillis = number * 1000;
            return one;
        }
    }

    static class Rate extends RichAsyncFunction<Payment, Payment> {
        @Override
        public void asyncInvoke(Payment payment, ResultFuture<Payment> result) {
            CompletableFuture.supplyAsync(() -> payment, CompletableFuture.delayedExecutor(20, TimeUnit.MILLISECONDS))
                    .thenAccept(one -> result.complete(List.of(one)));
        }
    }

    static class Larger extends IterativeCondition<Payment> {
        @Override
        public boolean filter(Payment one, Context<Payment> context) throws Exception {
            long smallest = Long.MAX_VALUE;
            for (Payment small : context.getEventsForPattern("small")) {
                smallest = Math.min(smallest, small.cents);
            }
            return one.cents > smallest + 200;
        }
    }

    static class Alert extends PatternProcessFunction<Payment, String> implements TimedOutPartialMatchHandler<Payment> {
        @Override
        public void processMatch(Map<String, List<Payment>> match, Context context, Collector<String> out) {
            out.collect(match.get("large").get(0).card);
        }

        @Override
        public void processTimedOutMatch(Map<String, List<Payment>> match, Context context) {
            context.output(TIMED_OUT, match.keySet().toString());
        }
    }
}
