package flinkops.changed;

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableEnvironment;

/** A set of statements over one source: deduplication, a window, a join, a ranking; one line changed. */
public final class Job {
    private Job() {}

    public static void main(String[] arguments) {
        TableEnvironment environment = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        environment.getConfig().set("pipeline.name", arguments[0]);
        environment.getConfig().set("table.exec.state.ttl", "1 h"); // ttl
        environment.executeSql("CREATE TABLE src (k INT, v BIGINT, t AS LOCALTIMESTAMP, WATERMARK FOR t AS t)"
                + " WITH ('connector' = 'datagen', 'rows-per-second' = '100', 'fields.k.min' = '0', 'fields.k.max' = '9')");
        for (String sink : new String[] {"first (k INT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED)",
            "counted (k INT, w TIMESTAMP(3), n BIGINT)", "joined (k INT, v BIGINT, n BIGINT)",
            "ranked (k INT, v BIGINT, r BIGINT)"}) {
            environment.executeSql("CREATE TABLE " + sink + " WITH ('connector' = 'blackhole')");
        }
        StatementSet all = environment.createStatementSet();
        all.addInsertSql("INSERT INTO first SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t ASC) AS r"
                + " FROM src) WHERE r = 1");
        all.addInsertSql("INSERT INTO counted SELECT k, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(t),"
                + " INTERVAL '10' MINUTE)) GROUP BY k, window_start, window_end");
        all.addInsertSql("INSERT INTO joined SELECT a.k, a.v, b.n FROM src AS a JOIN (SELECT k, COUNT(*) AS n FROM src GROUP BY k)"
                + " AS b ON a.k = b.k AND a.v = b.n");
        all.addInsertSql("INSERT INTO ranked SELECT k, v, r FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC)"
                + " AS r FROM src) WHERE r <= 3");
        all.execute();
    }
}
