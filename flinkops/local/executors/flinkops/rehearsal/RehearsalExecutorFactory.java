package flinkops.rehearsal;

import flinkops.held.Bypass;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.PipelineExecutor;
import org.apache.flink.core.execution.PipelineExecutorFactory;

/** Chosen by {@code execution.target: flinkops-rehearsal}: see {@link Rehearsal}. */
public final class RehearsalExecutorFactory implements PipelineExecutorFactory {
    static final String NAME = "flinkops-rehearsal";

    @Override
    public String getName() {
        return NAME;
    }

    @Override
    public boolean isCompatibleWith(Configuration configuration) {
        return Bypass.means(NAME, configuration);
    }

    @Override
    public PipelineExecutor getExecutor(Configuration ignored) {
        return Rehearsal::of;
    }
}
