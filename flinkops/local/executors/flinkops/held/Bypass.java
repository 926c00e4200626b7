package flinkops.held;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptions;

/**
 * A program that sets {@code execution.target} itself would submit past our executors, at once. In a client of ours
 * (FLINKOPS_EXECUTOR_FOLDER) it is stopped instead, and the file {@code bypassed} says so.
 */
public final class Bypass {
    private Bypass() {}

    /** Whether the executor of this name is meant. */
    public static boolean means(String name, Configuration configuration) {
        String target = configuration.get(DeploymentOptions.TARGET);
        String folder = System.getenv("FLINKOPS_EXECUTOR_FOLDER");
        if (folder != null && target != null && !target.startsWith("flinkops-")) {
            try {
                Files.writeString(Path.of(folder).resolve("bypassed"), target);
            } catch (IOException problem) {
                throw new UncheckedIOException(problem);
            }
            System.out.println("\nflinkops-rehearsal bypassed"); // in a pod that is all that is read
            throw new IllegalStateException("the program sets execution.target to " + target + " itself");
        }
        return name.equals(target);
    }
}
