package flinkops.held;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.PipelineExecutor;
import org.apache.flink.core.execution.PipelineExecutorFactory;

/** Chosen by {@code execution.target: flinkops-held}: the job is compiled at once, and submitted when it is told to. */
public final class HeldExecutorFactory implements PipelineExecutorFactory {
    static final String NAME = "flinkops-held";

    @Override
    public String getName() {
        return NAME;
    }

    @Override
    public boolean isCompatibleWith(Configuration configuration) {
        return Bypass.means(NAME, configuration);
    }

    @Override
    public PipelineExecutor getExecutor(Configuration configuration) {
        return new HeldExecutor();
    }
}
