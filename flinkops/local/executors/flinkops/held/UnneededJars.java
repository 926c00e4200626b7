package flinkops.held;

import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.dag.Pipeline;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.streaming.api.graph.StreamEdge;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamNode;

/**
 * A PyFlink program carries flink-python.jar, 42 MB, although its operators may be Java alone. Whether they need it is
 * found by writing them as Flink does, and noting from which jars their classes come.
 */
final class UnneededJars {
    private static final String PYTHON_JAR = "flink-python";

    private UnneededJars() {}

    /** Takes flink-python out of the jars that are uploaded, unless something in the graph comes from it. */
    static void leaveOut(Pipeline pipeline, Configuration configuration) {
        List<String> jars = configuration.get(PipelineOptions.JARS);
        if (jars == null || !(pipeline instanceof StreamGraph graph) || needsPython(graph)) {
            return;
        }
        List<String> kept = new ArrayList<>();
        for (String jar : jars) {
            if (!jar.substring(jar.lastIndexOf('/') + 1).startsWith(PYTHON_JAR)) {
                kept.add(jar);
            }
        }
        configuration.set(PipelineOptions.JARS, kept);
    }

    private static boolean needsPython(StreamGraph graph) {
        try (Notes notes = new Notes()) {
            for (StreamNode node : graph.getStreamNodes()) {
                notes.writeObject(node.getOperatorFactory());
                notes.writeObject(node.getTypeSerializersIn());
                notes.writeObject(node.getTypeSerializerOut());
                notes.writeObject(node.getStateKeySerializer());
                notes.writeObject(node.getStatePartitioners());
                for (StreamEdge edge : node.getOutEdges()) {
                    notes.writeObject(edge.getPartitioner());
                }
            }
            notes.writeObject(graph.getExecutionConfig());
            return notes.jars.stream().anyMatch(jar -> jar.contains(PYTHON_JAR));
        } catch (IOException | RuntimeException unknown) {
            return true;
        }
    }

    private static final class Notes extends ObjectOutputStream {
        final Set<String> jars = new HashSet<>();

        Notes() throws IOException {
            super(OutputStream.nullOutputStream());
        }

        @Override
        protected void annotateClass(Class<?> one) {
            CodeSource source = one.getProtectionDomain().getCodeSource();
            if (source != null && source.getLocation() != null) {
                String path = source.getLocation().getPath();
                jars.add(path.substring(path.lastIndexOf('/') + 1));
            }
        }
    }
}
