package flinkops.rehearsal;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.util.TernaryBoolean;

/** What a rehearsal runs in: nothing that others would see, and of the program's settings what decides on restoring. */
final class Surroundings {
    /** Taken over; everything else is not: high availability, reporters, listeners, Kubernetes, addresses. */
    private static final List<String> TAKEN_OVER = List.of(
            "classloader.", "execution.checkpointing.unaligned", "fs.", "hive.", "parallelism.default", "pipeline.",
            "python.", "s3.", "presto.", "hadoop.", "security.kerberos.", "state.", "table.", "taskmanager.memory.managed.");

    private static final List<String> NEVER = List.of("state.checkpoints.", "state.savepoints.", "pipeline.jars",
            "pipeline.classpaths", "state.backend.rocksdb.localdir", "state.backend.rocksdb.log.dir",
            "state.backend.local-recovery", "state.backend.forst.local-dir", "state.backend.forst.primary-dir",
            "state.backend.forst.cache.dir");

    private static final List<String> CLAIM_MODES =
            List.of("execution.savepoint-restore-mode", "execution.state-recovery.claim-mode");

    private static final List<String> BACKEND = List.of("state.backend.type", "state.backend");

    private final Path folder;
    private final StreamGraph graph;
    private final Configuration given;

    Surroundings(Path folder, StreamGraph graph, Configuration given) {
        this.folder = folder;
        this.graph = graph;
        this.given = given;
    }

    /** Settings that a program makes win over the cluster's, so that they are overwritten in the graph itself. */
    void quieten() throws ReflectiveOperationException {
        Recorder.backendName = backendName();
        Recorder.backend = graph.getStateBackend();
        graph.setStateBackend(null);
        if (claims()) {
            noChangelog();
        }
        graph.setCheckpointStorage(new SampledStorage(folder.resolve("checkpoints").toUri()));
        Configuration ours = ours();
        Configuration own = graph.getJobConfiguration();
        for (String key : List.copyOf(own.toMap().keySet())) {
            if (key.startsWith("execution.job-") || key.startsWith("high-availability") || key.startsWith("restart-strategy")
                    || key.startsWith("metrics.") || BACKEND.contains(key)) {
                own.removeKey(key);
            }
        }
        own.addAll(ours);
        graph.getCheckpointConfig().configure(ours);
        noRestart();
    }

    /** Of the MiniCluster. */
    Configuration cluster() throws IOException {
        Configuration configuration = new Configuration();
        for (Map.Entry<String, String> entry : given.toMap().entrySet()) {
            String key = entry.getKey();
            if (TAKEN_OVER.stream().anyMatch(key::startsWith) && NEVER.stream().noneMatch(key::startsWith)) {
                configuration.setString(key, entry.getValue());
            }
        }
        BACKEND.forEach(configuration::removeKey);
        configuration.addAll(ours());
        configuration.setString("io.tmp.dirs", Files.createDirectories(folder.resolve("tmp")).toString());
        configuration.setString("state.backend.rocksdb.log.dir", Files.createDirectories(folder.resolve("rocksdb")).toString());
        configuration.setString("dstl.dfs.base-path", folder.resolve("changelog").toUri().toString());
        configuration.setString("taskmanager.memory.segment-size", "4kb");
        configuration.setString("taskmanager.memory.network.min", "128mb");
        configuration.setString("taskmanager.memory.network.max", "128mb");
        configuration.setString("web.submit.enable", "false");
        configuration.setString("jobmanager.execution.failover-strategy", "full");
        configuration.setString("taskmanager.resource-id", "rehearsal");
        return configuration;
    }

    /**
     * Whether the real restore claims its state; this one never does. Without a claim a job that writes a changelog fails
     * at its first checkpoint, here as for real; with one it runs, so that here none is written. What is restored of one
     * is read all the same.
     */
    private boolean claims() {
        return "1".equals(System.getenv("FLINKOPS_REHEARSAL_CLAIMS"))
                || CLAIM_MODES.stream().anyMatch(key -> "CLAIM".equalsIgnoreCase(given.toMap().get(key)));
    }

    private Configuration ours() {
        Configuration ours = new Configuration();
        if (claims()) {
            ours.setString("state.changelog.enabled", "false");
        }
        ours.setString("state.backend.type", RecordingBackendFactory.class.getName());
        ours.setString("execution.checkpointing.interval", "200 ms");
        ours.setString("execution.checkpointing.min-pause", "0 ms");
        ours.setString("execution.checkpointing.timeout", "10 min");
        ours.setString("execution.checkpointing.tolerable-failed-checkpoints", "0");
        ours.setString("execution.checkpointing.externalized-checkpoint-retention", "DELETE_ON_CANCELLATION");
        ours.setString("execution.checkpointing.storage", "filesystem");
        ours.setString("execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
        ours.setString("state.checkpoint-storage", "filesystem");
        ours.setString("state.checkpoints.dir", folder.resolve("checkpoints").toUri().toString());
        ours.setString("restart-strategy.type", "none");
        ours.setString("restart-strategy", "none");
        return ours;
    }

    /** By their keys: the enum of the claim mode has another name in each line. What no operator takes is listed. */
    static SavepointRestoreSettings restoreFrom(String path) {
        Configuration settings = new Configuration();
        for (String family : List.of("execution.savepoint.", "execution.state-recovery.")) {
            settings.setString(family + "path", path);
            settings.setString(family + "ignore-unclaimed-state", "true");
        }
        settings.setString("execution.savepoint-restore-mode", "NO_CLAIM");
        settings.setString("execution.state-recovery.claim-mode", "NO_CLAIM");
        return SavepointRestoreSettings.fromConfiguration(settings);
    }

    private String backendName() {
        for (Configuration one : List.of(graph.getJobConfiguration(), given)) {
            for (String key : BACKEND) {
                String name = one.toMap().get(key);
                if (name != null) {
                    return name;
                }
            }
        }
        return "hashmap";
    }

    /** In 1.20 a program can switch it on in the graph itself. */
    private void noChangelog() throws ReflectiveOperationException {
        for (Method method : StreamGraph.class.getMethods()) {
            if (method.getName().equals("setChangelogStateBackendEnabled")) {
                method.invoke(graph, TernaryBoolean.FALSE);
            }
        }
    }

    /** In 1.20 a program can set a strategy that no setting reaches. */
    private void noRestart() throws ReflectiveOperationException {
        for (Method method : graph.getExecutionConfig().getClass().getMethods()) {
            if (method.getName().equals("setRestartStrategy")) {
                Class<?> strategies = Class.forName("org.apache.flink.api.common.restartstrategy.RestartStrategies");
                method.invoke(graph.getExecutionConfig(), strategies.getMethod("noRestart").invoke(null));
            }
        }
    }
}
