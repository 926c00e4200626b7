package flinkops.price;

import java.util.Collection;
import org.apache.flink.contrib.streaming.state.RocksDBOptionsFactory;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.DBOptions;
import org.rocksdb.Env;
import org.rocksdb.Priority;

/**
 * RocksDB's compactions at the lowest CPU priority of their process: they come in bursts of seconds, in which records
 * would wait for a CPU. Where they cannot keep up, RocksDB slows writes down, which leaves them the CPU.
 */
public final class YieldingCompactions implements RocksDBOptionsFactory {
    private static final long serialVersionUID = 1L;

    @Override
    public DBOptions createDBOptions(DBOptions current, Collection<AutoCloseable> toClose) {
        Env.getDefault().lowerThreadPoolCPUPriority(Priority.LOW);
        return current;
    }

    @Override
    public ColumnFamilyOptions createColumnOptions(ColumnFamilyOptions current, Collection<AutoCloseable> toClose) {
        return current;
    }
}
