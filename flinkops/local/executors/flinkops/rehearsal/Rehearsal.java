package flinkops.rehearsal;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.dag.Pipeline;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.OperatorIDPair;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.executiongraph.AccessExecutionJobVertex;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.JobVertex;
import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamGraphHasherV2;
import org.apache.flink.streaming.api.graph.StreamNode;
import org.apache.flink.util.FlinkRuntimeException;

/**
 * Restores savepoints into a program whose sources emit nothing and whose sinks write nothing, in this process, one after
 * the other as an {@link Asker} names them, and tells it what was seen. A checkpoint lives for seconds only, so that it
 * is named last, once everything is up.
 */
final class Rehearsal {
    static final String FOLDER = "FLINKOPS_EXECUTOR_FOLDER";
    private static final int MOST_SUBTASKS = 16;
    private static final int MOST_SECONDS = 280;
    private static final long POLL_MILLISECONDS = 25;

    private static Asker only;

    private final Path folder;
    private final Asker asker;
    private final StreamGraph graph;
    private final Configuration given;
    private final ClassLoader loader;
    private Map<Integer, byte[]> hashes;
    private Replacements replacements;
    private Map<String, Object> verdict = new LinkedHashMap<>();
    private String phase = "graph";
    private boolean sharesState;
    private PythonStates python;

    Rehearsal(Path folder, Asker asker, StreamGraph graph, Configuration given, ClassLoader loader) {
        this.folder = folder;
        this.asker = asker;
        this.graph = graph;
        this.given = given;
        this.loader = loader;
    }

    /** Returns a job that never ends once it was rehearsed; else this process ends. */
    static CompletableFuture<JobClient> of(Pipeline pipeline, Configuration configuration, ClassLoader loader) {
        try {
            Path folder = Path.of(System.getenv(FOLDER));
            Asker asker = asker(folder);
            if (!(pipeline instanceof StreamGraph graph)) {
                throw new FlinkRuntimeException("not a streaming program: " + pipeline.getClass().getName());
            }
            int number = Further.tell(asker, graph);
            if (number != Further.wanted()) {
                return Further.goOn(number, number < Further.wanted());
            }
            Rehearsal rehearsal = new Rehearsal(folder, asker, graph, configuration, loader);
            if (rehearsal.run()) {
                return Further.goOn(number, !rehearsal.sharesState);
            }
        } catch (Throwable problem) {
            problem.printStackTrace();
        }
        Runtime.getRuntime().halt(1);
        throw new IllegalStateException("halted");
    }

    private static synchronized Asker asker(Path folder) throws IOException {
        if (only == null) {
            only = PodAsker.here() ? new PodAsker() : new FolderAsker(folder);
        }
        return only;
    }

    /** Whether there was something to restore into. */
    boolean run() throws Exception {
        MiniCluster cluster = null;
        try {
            cluster = prepared();
        } catch (Exception | LinkageError | OutOfMemoryError problem) {
            verdict.put("causes", Causes.chain(problem));
        }
        if (cluster == null) {
            say(0, "impossible", "", false);
            return false;
        }
        asker.ready();
        for (int number = 0; ; number++) {
            verdict = new LinkedHashMap<>();
            Recorder.forget();
            BehindChangelog.forget();
            String outcome = "impossible";
            String against = "";
            boolean unread = false;
            try {
                against = asker.next();
                if (against == null) {
                    cluster.closeAsync(); // the program may go on to further graphs
                    return true;
                }
                outcome = restore(cluster, against);
            } catch (Exception | LinkageError | OutOfMemoryError problem) {
                verdict.put("causes", Causes.chain(problem));
                unread = against.isEmpty();
            }
            say(number, outcome, against, unread || (!outcome.equals("restored") && Causes.ofReading(verdict)));
        }
    }

    private void say(int number, String outcome, String against, boolean unread) throws IOException {
        verdict.put("schema_version", 1);
        verdict.put("flink", EnvironmentInformation.getVersion());
        verdict.put("job", graph.getJobName());
        verdict.put("against", against);
        verdict.put("outcome", outcome);
        verdict.put("phase", phase);
        verdict.put("opened", Recorder.told());
        verdict.put("as_they_are", replacements == null ? List.of() : replacements.asTheyAre);
        verdict.put("not_replaced", replacements == null ? List.of() : replacements.failed);
        asker.said(number, Json.of(verdict), unread);
    }

    private void enter(String next) {
        phase = next;
        asker.phase(next);
    }

    /** With sources and sinks replaced, on a cluster that runs; null when a source could not be replaced. */
    private MiniCluster prepared() throws Exception {
        hashes = hashes();
        enter("replace");
        replacements = new Replacements(graph, loader);
        replacements.make();
        if (!replacements.failed.isEmpty()) {
            return null;
        }
        if (!same(hashes, hashes())) {
            throw new FlinkRuntimeException("replacing changed the operators' ids");
        }
        Surroundings surroundings = new Surroundings(folder, graph, given);
        surroundings.quieten();
        enter("start");
        return started(jobGraph(), surroundings.cluster());
    }

    private JobGraph jobGraph() throws Exception {
        JobGraph job = graph.getJobGraph(loader, new JobID());
        for (String jar : list(given.get(PipelineOptions.JARS))) {
            job.addJar(new org.apache.flink.core.fs.Path(new URL(jar).toURI()));
        }
        List<URL> classpaths = new ArrayList<>();
        for (String one : list(given.get(PipelineOptions.CLASSPATHS))) {
            classpaths.add(new URL(one));
        }
        job.setClasspaths(classpaths);
        return job;
    }

    private String restore(MiniCluster cluster, String against) throws Exception {
        JobGraph job = jobGraph();
        job.setSavepointRestoreSettings(Surroundings.restoreFrom(against));
        enter("metadata");
        CheckpointMetadata saved = SavedStates.metadata(against, loader);
        operators(job, saved);
        if (!fits(job, saved)) {
            return "failed";
        }
        sample(saved);
        python.start();
        enter("restore");
        long begun = System.nanoTime();
        submit(cluster, job);
        String outcome = watch(cluster, job.getJobID(), begun);
        verdict.put("python", python.told());
        return outcome;
    }

    /** Where some key groups only are restored. */
    private void sample(CheckpointMetadata saved) throws IOException {
        Sample sample = Sample.asked(saved);
        SampledStorage.metadata = sample == null ? null : sample.take(saved);
        if (sample != null) {
            verdict.put("sample", Map.of("bytes", sample.bytes, "of_bytes", sample.ofBytes));
            if (folder.toFile().getUsableSpace() < 2 * sample.bytes) {
                throw new FlinkRuntimeException("the least that can be restored are " + sample.bytes
                        + " bytes of keyed state, for which the scratch folder has no room");
            }
        }
    }

    private Map<Integer, byte[]> hashes() {
        return new StreamGraphHasherV2().traverseStreamGraphAndGenerateHashes(graph);
    }

    private static boolean same(Map<Integer, byte[]> one, Map<Integer, byte[]> other) {
        return one.keySet().equals(other.keySet())
                && one.entrySet().stream().allMatch(entry -> java.util.Arrays.equals(entry.getValue(), other.get(entry.getKey())));
    }

    private static List<String> list(List<String> values) {
        return values == null ? List.of() : values;
    }

    /** All operators of the graph and of the savepoint, and what the savepoint holds of each. */
    private void operators(JobGraph job, CheckpointMetadata saved)
            throws ReflectiveOperationException {
        Map<String, StreamNode> nodes = new HashMap<>();
        for (StreamNode node : graph.getStreamNodes()) {
            nodes.put(new OperatorID(hashes.get(node.getId())).toHexString(), node);
        }
        Map<String, OperatorState> states = new LinkedHashMap<>();
        saved.getOperatorStates().forEach(state -> states.put(state.getOperatorID().toHexString(), state));
        List<Map<String, Object>> operators = new ArrayList<>();
        List<Map<String, Object>> all = new ArrayList<>();
        List<Map<String, Object>> declared = new ArrayList<>();
        List<String> unreadable = new ArrayList<>();
        python = new PythonStates(folder);
        Set<String> seen = new HashSet<>();
        for (JobVertex vertex : job.getVertices()) {
            for (OperatorIDPair pair : vertex.getOperatorIDs()) {
                String id = pair.getGeneratedOperatorID().toHexString();
                String own = pair.getUserDefinedOperatorID().map(OperatorID::toHexString).orElse(null);
                StreamNode node = nodes.get(id);
                String there = own != null && states.containsKey(own) ? own : id;
                seen.add(there);
                Map<String, Object> operator = operator(there, states.get(there), unreadable, all);
                operator.put("name", node == null ? vertex.getName() : node.getOperatorName());
                operator.put("uid", node == null ? null : node.getTransformationUID());
                operator.put("in_graph", true);
                operator.put("parallelism", vertex.getParallelism());
                operator.put("replaced", node == null ? null : replacements.made.get(node.getId()));
                if (node != null && all.stream().anyMatch(one -> there.equals(one.get("operator"))
                        && one.get("name").toString().startsWith(PythonStates.PREFIX))) {
                    python.add(there, node);
                }
                if (node != null && states.containsKey(there)) {
                    declared.addAll(new Declared(graph.getExecutionConfig(), loader).refused(
                            node.getOperatorFactory(), there, SavedStates.keyed(states.get(there), loader)));
                }
                if (node != null) {
                    Patterns.note(id, node);
                    Object most = Fields.get(node, "maxParallelism");
                    operator.put("max_parallelism", ((Integer) most) > 0 ? most : null);
                }
                operator.put("runs_as", id);
                operators.add(operator);
            }
        }
        states.forEach((id, state) -> {
            if (seen.add(id)) {
                Map<String, Object> operator = operator(id, state, unreadable, all);
                operator.put("name", SavedStates.operatorName(state));
                operator.put("in_graph", false);
                operators.add(operator);
            }
        });
        sharesState = operators.stream().anyMatch(one -> (Boolean) one.get("in_graph") && (Boolean) one.get("has_state"));
        verdict.put("operators", operators);
        verdict.put("saved", all);
        verdict.put("declared", declared);
        verdict.put("unreadable", unreadable);
    }

    private Map<String, Object> operator(
            String id, OperatorState state, List<String> unreadable, List<Map<String, Object>> all) {
        Map<String, Object> operator = new LinkedHashMap<>();
        operator.put("id", id);
        operator.put("has_state", state != null && SavedStates.hasState(state));
        if (state != null) {
            operator.put("state_bytes", state.getStateSize());
            operator.put("saved_parallelism", state.getParallelism());
            operator.put("saved_max_parallelism", state.getMaxParallelism());
            all.addAll(SavedStates.of(state, loader, unreadable));
        }
        return operator;
    }

    /** What Flink refuses before anything starts; then with the parallelism that this machine bears. */
    private boolean fits(JobGraph job, CheckpointMetadata saved) {
        Map<String, OperatorState> states = new HashMap<>();
        saved.getOperatorStates().forEach(state -> states.put(state.getOperatorID().toHexString(), state));
        for (JobVertex vertex : job.getVertices()) {
            for (OperatorIDPair pair : vertex.getOperatorIDs()) {
                OperatorState state = pair.getUserDefinedOperatorID()
                        .map(id -> states.get(id.toHexString()))
                        .orElse(states.get(pair.getGeneratedOperatorID().toHexString()));
                if (state != null && vertex.getParallelism() > state.getMaxParallelism()) {
                    enter("restore");
                    verdict.put("causes", Causes.chain(new IllegalStateException("the state of " + vertex.getName()
                            + " has a max parallelism of " + state.getMaxParallelism() + ", less than the parallelism "
                            + vertex.getParallelism())));
                    return false;
                }
            }
            vertex.setParallelism(Math.min(vertex.getParallelism(), MOST_SUBTASKS));
        }
        return true;
    }

    private static MiniCluster started(JobGraph job, Configuration configuration) throws Exception {
        Map<Object, Integer> slots = new HashMap<>();
        for (JobVertex vertex : job.getVertices()) {
            slots.merge(vertex.getSlotSharingGroup(), Math.min(vertex.getParallelism(), MOST_SUBTASKS), Math::max);
        }
        MiniClusterConfiguration settings = new MiniClusterConfiguration.Builder()
                .setConfiguration(configuration)
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(slots.values().stream().mapToInt(Integer::intValue).sum())
                .setCommonBindAddress("localhost")
                .withRandomPorts()
                .build();
        MiniCluster cluster = new MiniCluster(settings);
        cluster.start();
        return cluster;
    }

    /** Takes a JobGraph in 1.20, an ExecutionPlan in 2.x. */
    private static void submit(MiniCluster cluster, JobGraph job) throws Exception {
        for (Method method : MiniCluster.class.getMethods()) {
            if (method.getName().equals("submitJob") && method.getParameterTypes()[0].isInstance(job)) {
                ((java.util.concurrent.Future<?>) method.invoke(cluster, job)).get(60, TimeUnit.SECONDS);
                return;
            }
        }
        throw new FlinkRuntimeException("this Flink's MiniCluster takes no job graph");
    }

    private String watch(MiniCluster cluster, JobID id, long begun) throws Exception {
        long ends = begun + TimeUnit.SECONDS.toNanos(MOST_SECONDS);
        while (System.nanoTime() < ends) {
            JobStatus status = cluster.getJobStatus(id).get();
            if (status.isGloballyTerminalState() || status == JobStatus.FAILING) {
                JobResult result = cluster.requestJobResult(id).get();
                verdict.put("causes", result.getSerializedThrowable()
                        .map(one -> Causes.chain(one.deserializeError(loader)))
                        .orElse(List.of()));
                return "failed";
            }
            if (Recorder.refused != null) {
                cluster.cancelJob(id);
                verdict.put("causes", Causes.chain(Recorder.refused));
                return "failed";
            }
            AccessExecutionGraph now = cluster.getExecutionGraph(id).get();
            if (phase.equals("restore") && status == JobStatus.RUNNING && allRun(now)) {
                verdict.put("restore_ms", TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun));
                enter("snapshot");
            }
            if (phase.equals("snapshot") && completed(now) > 0) {
                BehindChangelog.note();
                return "restored";
            }
            Thread.sleep(POLL_MILLISECONDS);
        }
        cluster.cancelJob(id);
        verdict.put("causes", Causes.chain(new TimeoutException("no outcome within " + MOST_SECONDS + " s")));
        return "impossible";
    }

    private static boolean allRun(AccessExecutionGraph job) {
        for (AccessExecutionJobVertex vertex : job.getAllVertices().values()) {
            ExecutionState state = vertex.getAggregateState();
            if (state != ExecutionState.RUNNING && state != ExecutionState.FINISHED) {
                return false;
            }
        }
        return true;
    }

    private static long completed(AccessExecutionGraph job) {
        var statistics = job.getCheckpointStatsSnapshot();
        // The restored one is not counted as completed.
        return statistics == null ? 0 : statistics.getCounts().getNumberOfCompletedCheckpoints();
    }
}
