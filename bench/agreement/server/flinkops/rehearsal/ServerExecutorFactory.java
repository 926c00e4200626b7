package flinkops.rehearsal;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.DeploymentOptions;
import org.apache.flink.core.execution.PipelineExecutor;
import org.apache.flink.core.execution.PipelineExecutorFactory;
import org.apache.flink.streaming.api.graph.StreamGraph;

/** Chosen by {@code execution.target: flinkops-agreement}: rehearses in this process, and the program's main ends there. */
public final class ServerExecutorFactory implements PipelineExecutorFactory {
    static final String NAME = "flinkops-agreement";

    @Override
    public String getName() {
        return NAME;
    }

    @Override
    public boolean isCompatibleWith(Configuration configuration) {
        return NAME.equals(configuration.get(DeploymentOptions.TARGET));
    }

    @Override
    public PipelineExecutor getExecutor(Configuration ignored) {
        return (pipeline, configuration, loader) -> {
            Server.Rehearsed asker = Server.asker;
            new Rehearsal(asker.folder, asker, (StreamGraph) pipeline, configuration, loader).run();
            throw new Server.Done();
        };
    }
}
