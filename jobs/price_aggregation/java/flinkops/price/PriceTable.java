package flinkops.price;

import java.util.Map;
import org.apache.iceberg.CatalogProperties;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.types.Types;

/** The Iceberg table of prices. Created through Iceberg's own API: Flink's DDL has no partition transforms. */
public final class PriceTable {
    private PriceTable() {}

    /** Creates the table and its namespace where they are missing. */
    public static void createIfMissing(
            String catalogName, Map<String, String> catalogProperties, String database, String table) {
        String kind = catalogProperties.get(CatalogProperties.CATALOG_IMPL);
        try (JdbcCatalog catalog = PriceCatalog.class.getName().equals(kind) ? new PriceCatalog() : new JdbcCatalog()) {
            catalog.setConf(new org.apache.hadoop.conf.Configuration());
            catalog.initialize(catalogName, catalogProperties);
            Namespace namespace = Namespace.of(database.split("\\."));
            if (!catalog.namespaceExists(namespace)) {
                catalog.createNamespace(namespace);
            }
            TableIdentifier identifier = TableIdentifier.of(namespace, table);
            if (!catalog.tableExists(identifier)) {
                Schema schema = schema();
                PartitionSpec days = PartitionSpec.builderFor(schema).day("window_start").build();
                catalog.createTable(identifier, schema, days, Map.of("format-version", "2"));
            }
        }
    }

    private static Schema schema() {
        return new Schema(
                Types.NestedField.required(1, "sku", Types.StringType.get()),
                Types.NestedField.required(2, "currency", Types.StringType.get()),
                Types.NestedField.required(3, "window_start", Types.TimestampType.withoutZone()),
                Types.NestedField.required(4, "window_end", Types.TimestampType.withoutZone()),
                Types.NestedField.required(5, "avg_price", Types.DoubleType.get()),
                Types.NestedField.required(6, "min_price", Types.DecimalType.of(18, 4)),
                Types.NestedField.required(7, "max_price", Types.DecimalType.of(18, 4)),
                Types.NestedField.required(8, "last_price", Types.DecimalType.of(18, 4)),
                Types.NestedField.required(9, "change_count", Types.LongType.get()));
    }
}
