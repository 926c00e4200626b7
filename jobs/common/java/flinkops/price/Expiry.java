package flinkops.price;

import java.time.Duration;
import org.apache.flink.api.common.state.StateTtlConfig;

/** How prices that are never scraped again leave the state. */
public final class Expiry {
    /** In processing time, prices expire only after so many times their lifetime in event time. */
    private static final int CLEANUP_AFTER_LIFETIMES = 7;
    private static final long CLEANUP_BATCH = 10_000;

    private Expiry() {}

    /** Only a bound on the state: expiry itself is by event time, where prices are compared. */
    public static StateTtlConfig cleanup(long ttlMillis) {
        return StateTtlConfig.newBuilder(Duration.ofMillis(ttlMillis).multipliedBy(CLEANUP_AFTER_LIFETIMES))
                .setUpdateType(StateTtlConfig.UpdateType.OnCreateAndWrite)
                .setStateVisibility(StateTtlConfig.StateVisibility.ReturnExpiredIfNotCleanedUp)
                .cleanupInRocksdbCompactFilter(CLEANUP_BATCH)
                .build();
    }
}
