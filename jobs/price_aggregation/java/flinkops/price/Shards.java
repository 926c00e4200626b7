package flinkops.price;

import org.apache.flink.runtime.state.KeyGroupRangeAssignment;

/**
 * The key by which scrapes are partitioned: one integer for each key group. All prices of a shard are one
 * Flink key, so that they share a buffer and a timer for each second instead of one for each price; as there is
 * just one shard to a key group, the load spreads over subtasks as if each price were a key of its own.
 */
final class Shards {
    private final int[] shards;

    Shards(int maxParallelism) {
        shards = new int[maxParallelism];
        boolean[] found = new boolean[maxParallelism];
        int missing = maxParallelism;
        for (int candidate = 0; missing > 0; candidate++) {
            int group = KeyGroupRangeAssignment.assignToKeyGroup(candidate, maxParallelism);
            if (!found[group]) {
                found[group] = true;
                shards[group] = candidate;
                missing--;
            }
        }
    }

    int of(int hash) {
        return shards[KeyGroupRangeAssignment.computeKeyGroupForKeyHash(hash, shards.length)];
    }
}
