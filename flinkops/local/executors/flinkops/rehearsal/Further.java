package flinkops.rehearsal;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.core.execution.JobClient;

/**
 * What becomes of a program whose first job was rehearsed: it goes on for some seconds, with a job that never ends, and
 * shows whether it submits a further one: the state of which of them was restored is then not known.
 */
final class Further {
    private static final int SECONDS = 5;
    private static final AtomicReference<Asker> FIRST = new AtomicReference<>();

    private Further() {}

    /** Whether this is not the program's first job; then it does not return. */
    static void refuse() throws IOException {
        Asker first = FIRST.get();
        if (first != null) {
            first.several();
            Runtime.getRuntime().halt(0);
        }
    }

    static CompletableFuture<JobClient> goOn(Asker asker) {
        FIRST.set(asker);
        Thread thread = new Thread(Further::end, "end");
        thread.setDaemon(true);
        thread.start();
        JobID id = new JobID();
        return CompletableFuture.completedFuture((JobClient) Interfaces.proxy(
                Further.class.getClassLoader(), Interfaces.set(JobClient.class), (proxy, method, arguments) ->
                        switch (method.getName()) {
                            case "getJobID" -> id;
                            case "getJobStatus" -> CompletableFuture.completedFuture(JobStatus.RUNNING);
                            case "hashCode" -> id.hashCode();
                            case "equals" -> proxy == arguments[0];
                            case "toString" -> "a job that was rehearsed";
                            case "cancel" -> CompletableFuture.completedFuture(null);
                            case "reportHeartbeat" -> null;
                            default -> new CompletableFuture<>(); // its end, its accumulators: never
                        }));
    }

    private static void end() {
        try {
            TimeUnit.SECONDS.sleep(SECONDS);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().halt(0);
    }
}
