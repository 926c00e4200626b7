package flinkops.rehearsal;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamGraphHasherV2;
import org.apache.flink.streaming.api.graph.StreamNode;

/**
 * The graphs that a program submits. All are told of, by their operators' ids; one of them is rehearsed: the first, or
 * the one whose number is in FLINKOPS_REHEARSAL_GRAPH. Those before it come to their end at once, so that the program
 * goes on; after it the program has some seconds to submit further ones.
 */
final class Further {
    private static final String VARIABLE = "FLINKOPS_REHEARSAL_GRAPH";
    private static final int SECONDS = 5;
    private static int arrived;
    private static Thread end;
    private static volatile long endsNanos;

    private Further() {}

    /** The number of the graph that is rehearsed. */
    static int wanted() {
        String number = System.getenv(VARIABLE);
        return number == null || number.isEmpty() ? 0 : Integer.parseInt(number);
    }

    /** Tells of the next graph of the program; its number. */
    static synchronized int tell(Asker asker, StreamGraph graph) throws IOException {
        int number = arrived++;
        List<String> operators = new ArrayList<>();
        Map<Integer, byte[]> hashes = new StreamGraphHasherV2().traverseStreamGraphAndGenerateHashes(graph);
        for (StreamNode node : graph.getStreamNodes()) {
            operators.add(new OperatorID(hashes.get(node.getId())).toHexString());
            if (node.getUserHash() != null) {
                operators.add(node.getUserHash());
            }
        }
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("number", number);
        told.put("job", graph.getJobName());
        told.put("operators", operators);
        asker.graph(number, Json.of(told));
        return number;
    }

    /** What the program gets for a job that was rehearsed or passed over: it has ended, or never will. */
    static CompletableFuture<JobClient> goOn(int number, boolean ended) {
        if (number >= wanted()) {
            endSoon();
        }
        JobID id = new JobID();
        return CompletableFuture.completedFuture((JobClient) Interfaces.proxy(
                Further.class.getClassLoader(), Interfaces.set(JobClient.class), (proxy, method, arguments) ->
                        switch (method.getName()) {
                            case "getJobID" -> id;
                            case "getJobStatus" ->
                                    CompletableFuture.completedFuture(ended ? JobStatus.FINISHED : JobStatus.RUNNING);
                            case "getJobExecutionResult" -> ended
                                    ? CompletableFuture.completedFuture(new JobExecutionResult(id, 0L, Map.of()))
                                    : new CompletableFuture<>();
                            case "hashCode" -> id.hashCode();
                            case "equals" -> proxy == arguments[0];
                            case "toString" -> "a job that was rehearsed";
                            case "cancel" -> CompletableFuture.completedFuture(null);
                            case "reportHeartbeat" -> null;
                            default -> new CompletableFuture<>(); // its accumulators: never
                        }));
    }

    private static synchronized void endSoon() {
        endsNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        if (end == null) {
            end = new Thread(Further::end, "end");
            end.setDaemon(true);
            end.start();
        }
    }

    private static void end() {
        try {
            for (long left = endsNanos - System.nanoTime(); left > 0; left = endsNanos - System.nanoTime()) {
                TimeUnit.NANOSECONDS.sleep(left);
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().halt(0);
    }
}
