package flinkops.faults;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiter;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;

/** Records at a steady rate, from the start for a while: then the source waits as at the end of a topic. */
public final class Flow {
    private Flow() {}

    /** Both together over all subtasks; {@code seconds} negative: for ever, zero: never one. */
    public static <S extends SourceSplit> RateLimiterStrategy<S> of(double perSecond, long seconds) {
        RateLimiterStrategy<S> steady = RateLimiterStrategy.perSecond(perSecond);
        return parallelism -> seconds < 0 ? steady.createRateLimiter(parallelism) : new Ending<>(steady.createRateLimiter(parallelism), seconds);
    }

    private static final class Ending<S extends SourceSplit> implements RateLimiter<S> {
        private final RateLimiter<S> until;
        private final long endsNanos;

        Ending(RateLimiter<S> until, long seconds) {
            this.until = until;
            this.endsNanos = System.nanoTime() + seconds * 1_000_000_000L;
        }

        @Override
        public CompletionStage<Void> acquire(int requestSize) {
            return System.nanoTime() < endsNanos ? until.acquire(requestSize) : new CompletableFuture<>();
        }
    }
}
