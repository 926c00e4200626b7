package flinkops.price;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.data.writer.BinaryRowWriter;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.VarCharType;

/** Which fields make two scrapes be of the same price. */
final class DedupKey implements Serializable {
    private static final long serialVersionUID = 1L;

    private final int[] fields;

    /** Names out of sku, retailer and currency. */
    DedupKey(List<String> names) {
        List<String> known = List.of("sku", "currency", "retailer");
        List<Integer> chosen = new ArrayList<>();
        for (String name : known) {
            if (names.contains(name)) {
                chosen.add(Rows.SKU + known.indexOf(name));
            }
        }
        fields = chosen.stream().mapToInt(Integer::intValue).toArray();
    }

    int hash(RowData row) {
        int hash = 1;
        for (int field : fields) {
            hash = 31 * hash + row.getString(field).hashCode();
        }
        return hash;
    }

    BinaryRowData of(RowData row) {
        BinaryRowData key = new BinaryRowData(fields.length);
        BinaryRowWriter writer = new BinaryRowWriter(key, 64);
        for (int i = 0; i < fields.length; i++) {
            writer.writeString(i, (BinaryStringData) row.getString(fields[i]));
        }
        writer.complete();
        return key;
    }

    InternalTypeInfo<RowData> type() {
        LogicalType[] types = new LogicalType[fields.length];
        java.util.Arrays.fill(types, VarCharType.STRING_TYPE);
        return InternalTypeInfo.ofFields(types);
    }
}
