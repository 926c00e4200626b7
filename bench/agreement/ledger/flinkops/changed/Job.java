package flinkops.changed;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.api.dataview.MapView;
import org.apache.flink.table.functions.AggregateFunction;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/** A table's aggregate with an accumulator of its own, and behind it a stream with state; run with one line changed. */
public final class Job {
    private Job() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.enableCheckpointing(1000);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.getConfig().set("pipeline.name", arguments[0]);
        tables.getConfig().set("table.exec.state.ttl", "1 h"); // ttl
        tables.createTemporarySystemFunction("median", Median.class);
        tables.executeSql("CREATE TEMPORARY TABLE entries (account INT, amount BIGINT, t AS PROCTIME()) WITH ("
                + "'connector' = 'datagen', 'rows-per-second' = '200', 'fields.account.min' = '0', 'fields.account.max' = '9',"
                + " 'fields.amount.min' = '0', 'fields.amount.max' = '20')");
        Table balances = tables.sqlQuery("SELECT account, median(amount) AS m FROM entries GROUP BY account"); // query
        tables.toChangelogStream(balances)
                .keyBy(row -> (Integer) row.getField("account"))
                .process(new Last()).uid("last").name("last")
                .sinkTo(new DiscardingSink<>()).uid("discard");
        environment.execute(arguments[0]);
    }

    public static class Counts {
        public long total; // total
        public MapView<Long, Long> byAmount = new MapView<>();
    }

    public static class Median extends AggregateFunction<Long, Counts> {
        @Override
        public Counts createAccumulator() {
            return new Counts();
        }

        @Override
        public Long getValue(Counts counts) {
            return counts.total;
        }

        public void accumulate(Counts counts, Long amount) throws Exception {
            counts.total++;
            Long before = counts.byAmount.get(amount);
            counts.byAmount.put(amount, before == null ? 1 : before + 1);
        }

        public void retract(Counts counts, Long amount) throws Exception {
            counts.total--;
            counts.byAmount.remove(amount);
        }
    }

    public static class Last extends KeyedProcessFunction<Integer, Row, String> {
        private transient ValueState<Row> last;

        @Override
        public void open(OpenContext context) {
            last = getRuntimeContext().getState(new ValueStateDescriptor<>("last", Types.ROW_NAMED(
                    new String[] {"account", "m"}, Types.INT, Types.LONG))); // row
        }

        @Override
        public void processElement(Row row, Context context, Collector<String> out) throws Exception {
            last.update(Row.of(row.getField("account"), row.getField("m")));
            out.collect(row.toString());
        }
    }
}
