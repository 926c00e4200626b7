package flinkops.faults;

import java.util.concurrent.ThreadLocalRandom;
import org.apache.flink.connector.datagen.source.GeneratorFunction;

/** Events over so many keys, a share of them over one key alone; payload bytes are random: nothing compresses them. */
public final class Generate implements GeneratorFunction<Long, Event> {
    private final long keys;
    private final double hotShare;
    private final int payloadBytes;

    public Generate(Options options) {
        keys = options.whole("keys", 100);
        hotShare = options.number("hot-share", 0);
        payloadBytes = (int) options.whole("payload-bytes", 16);
    }

    @Override
    public Event map(Long index) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long key = keys == 0 ? index : hotShare > 0 && random.nextDouble() < hotShare ? 0 : random.nextLong(keys);
        byte[] payload = new byte[payloadBytes];
        random.nextBytes(payload);
        return new Event(index, key, System.currentTimeMillis(), payload);
    }
}
