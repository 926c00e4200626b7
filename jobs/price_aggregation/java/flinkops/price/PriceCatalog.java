package flinkops.price;

import org.apache.iceberg.jdbc.JdbcCatalog;

/**
 * Iceberg's catalog in a database, whose tables lie wherever Flink can write. By a class of its own rather than by the
 * property `io-impl`, which Iceberg looks up beside itself, not in the job's jar.
 */
public final class PriceCatalog extends JdbcCatalog {
    public PriceCatalog() {
        super(properties -> new FlinkFileIO(), null, true);
    }
}
