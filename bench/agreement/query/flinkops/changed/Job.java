package flinkops.changed;

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** A continuous query; compiled with one line changed. The first argument is its name, a second one a JDBC URL. */
public final class Job {
    private Job() {}

    public static void main(String[] arguments) {
        TableEnvironment environment = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        environment.getConfig().set("pipeline.name", arguments[0]);
        environment.executeSql("CREATE TABLE src (k INT, v BIGINT) WITH ('connector' = 'datagen', "
                + "'rows-per-second' = '200', 'fields.k.min' = '0', 'fields.k.max' = '9')");
        String sink = arguments.length > 1
                ? "'connector' = 'jdbc', 'table-name' = 'dst', 'username' = 'postgres', 'password' = 'none', 'url' = '" + arguments[1] + "'"
                : "'connector' = 'blackhole'";
        environment.executeSql("CREATE TABLE dst (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (" + sink + ")");
        environment.executeSql("INSERT INTO dst SELECT k, MAX(v) FROM src GROUP BY k");
    }
}
