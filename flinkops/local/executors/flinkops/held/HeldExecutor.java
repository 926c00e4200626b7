package flinkops.held;

import java.io.IOException;
import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.flink.api.dag.Pipeline;
import org.apache.flink.client.deployment.executors.RemoteExecutor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.PipelineExecutor;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.streaming.api.graph.StreamGraph;

/**
 * Says that the graph is compiled, by the file {@code ready} in the folder of FLINKOPS_EXECUTOR_FOLDER; waits for a line
 * on standard input, the savepoint to start from; submits to the cluster of {@code rest.address}, and says so by the
 * file {@code submitted}. When standard input ends instead,
 * nothing is submitted.
 */
final class HeldExecutor implements PipelineExecutor {
    static final String FOLDER = "FLINKOPS_EXECUTOR_FOLDER";
    private static final AtomicBoolean HELD = new AtomicBoolean();

    @Override
    public CompletableFuture<JobClient> execute(Pipeline pipeline, Configuration given, ClassLoader loader)
            throws Exception {
        Configuration configuration = new Configuration(given);
        configuration.set(DeploymentOptions.TARGET, "remote");
        if (!HELD.compareAndSet(false, true)) { // a further execute() of the program is submitted as ever
            return delegate(configuration).execute(pipeline, configuration, loader);
        }
        UnneededJars.leaveOut(pipeline, configuration);
        Path folder = Path.of(System.getenv(FOLDER));
        say(folder, "ready");
        restoreFrom(Parent.line(folder), pipeline, configuration);
        JobClient client = delegate(configuration).execute(pipeline, configuration, loader).get();
        say(folder, "submitted");
        return CompletableFuture.completedFuture(client);
    }

    private static void restoreFrom(String savepoint, Pipeline pipeline, Configuration configuration) {
        configuration.setString("execution.savepoint.path", savepoint);
        configuration.setString("execution.state-recovery.path", savepoint);
        if (pipeline instanceof StreamGraph graph) {
            graph.setSavepointRestoreSettings(SavepointRestoreSettings.fromConfiguration(configuration));
        }
    }

    /** Of the cluster: Flink 1.20 makes it without, 2.x with the configuration. */
    private static PipelineExecutor delegate(Configuration configuration) throws ReflectiveOperationException {
        for (Constructor<?> one : RemoteExecutor.class.getConstructors()) {
            if (one.getParameterCount() == 1) {
                return (PipelineExecutor) one.newInstance(configuration);
            }
        }
        return RemoteExecutor.class.getConstructor().newInstance();
    }

    private static void say(Path folder, String what) throws IOException {
        Path part = folder.resolve(what + ".part");
        Files.writeString(part, what);
        Files.move(part, folder.resolve(what), StandardCopyOption.ATOMIC_MOVE);
    }
}
