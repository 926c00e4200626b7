package flinkops.faults;

import java.util.Collections;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;

/** A call to another system that answers after so many milliseconds. */
public final class AsyncCall extends RichAsyncFunction<Event, Event> {
    private final long answerMillis;

    public AsyncCall(Options options) {
        answerMillis = options.whole("answer-ms", 1);
    }

    @Override
    public void asyncInvoke(Event event, ResultFuture<Event> result) {
        CompletableFuture.delayedExecutor(answerMillis, TimeUnit.MILLISECONDS)
                .execute(() -> result.complete(Collections.singleton(event)));
    }
}
