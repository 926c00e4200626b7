package flinkops.rehearsal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.streaming.api.graph.StreamEdge;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamNode;
import org.apache.flink.streaming.api.operators.AbstractUdfStreamOperator;
import org.apache.flink.streaming.api.operators.SimpleOperatorFactory;
import org.apache.flink.streaming.api.operators.SourceOperatorFactory;
import org.apache.flink.streaming.api.operators.StreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorFactory;
import org.apache.flink.streaming.api.operators.StreamSource;
import org.apache.flink.streaming.api.operators.async.AsyncWaitOperatorFactory;
import org.apache.flink.streaming.runtime.operators.sink.CommitterOperatorFactory;
import org.apache.flink.streaming.runtime.operators.sink.SinkWriterOperatorFactory;

/** Puts substitutes for sources and sinks into a graph, in place: uids and operator ids stay as they are. */
final class Replacements {
    /** Operators that write, and are no sinks in Flink's sense; found by the names of their classes. */
    private static final List<String> WRITING =
            List.of("org.apache.flink.connector.file.table.", "org.apache.iceberg.flink.sink.");

    private static final List<String> WRITING_KINDS =
            List.of("org.apache.flink.streaming.runtime.operators.GenericWriteAheadSink");
    private static final List<String> LEGACY_SINKS = List.of(
            "org.apache.flink.streaming.api.functions.sink.SinkFunction",
            "org.apache.flink.streaming.api.functions.sink.legacy.SinkFunction");

    /** By the id of the node: source, sink, async, or kept (it restores, and nothing more). */
    final Map<Integer, String> made = new LinkedHashMap<>();

    /** Sources that could not be replaced: they would read. */
    final List<String> failed = new ArrayList<>();

    /** Operators at the end of the graph that are no known sinks: they run as they are. */
    final List<String> asTheyAre = new ArrayList<>();

    private final StreamGraph graph;
    private final ClassLoader loader;

    Replacements(StreamGraph graph, ClassLoader loader) {
        this.graph = graph;
        this.loader = loader;
    }

    void make() throws ReflectiveOperationException {
        Set<Integer> behind = behindWriters();
        for (StreamNode node : graph.getStreamNodes()) {
            String role = replace(node, behind.contains(node.getId()));
            if (role != null) {
                made.put(node.getId(), role);
            } else if (node.getInEdges().isEmpty()) {
                failed.add(node.getOperatorName());
            } else if (node.getOutEdges().isEmpty()) {
                asTheyAre.add(node.getOperatorName());
            }
        }
    }

    private Set<Integer> behindWriters() {
        Set<Integer> found = new HashSet<>();
        Deque<StreamNode> open = new ArrayDeque<>();
        for (StreamNode node : graph.getStreamNodes()) {
            if (node.getOperatorFactory() instanceof SinkWriterOperatorFactory) {
                open.add(node);
            }
        }
        while (!open.isEmpty()) {
            for (StreamEdge edge : open.remove().getOutEdges()) {
                if (found.add(edge.getTargetId())) {
                    open.add(graph.getStreamNode(edge.getTargetId()));
                }
            }
        }
        return found;
    }

    private String replace(StreamNode node, boolean behindWriter) throws ReflectiveOperationException {
        StreamOperatorFactory<?> factory = node.getOperatorFactory();
        if (factory instanceof SourceOperatorFactory) {
            return inField(factory, "source", Substitute.Role.SOURCE, "source");
        }
        if (factory instanceof SinkWriterOperatorFactory || factory instanceof CommitterOperatorFactory) {
            return inField(factory, "sink", Substitute.Role.SINK, "sink");
        }
        if (factory instanceof AsyncWaitOperatorFactory) {
            return inField(factory, "asyncFunction", Substitute.Role.ASYNC_FUNCTION, "async");
        }
        if (behindWriter || writes(factory)) {
            return restoreOnly(node, factory);
        }
        return factory instanceof SimpleOperatorFactory<?> simple ? inOperator(simple.getOperator()) : null;
    }

    private String inField(Object owner, String field, Substitute.Role role, String name)
            throws ReflectiveOperationException {
        Fields.set(owner, field, Substitute.of(role, Fields.get(owner, field), loader));
        return name;
    }

    private String inOperator(StreamOperator<?> operator) throws ReflectiveOperationException {
        if (!(operator instanceof AbstractUdfStreamOperator<?, ?> udf)) {
            return null;
        }
        if (operator instanceof StreamSource) {
            return inField(udf, "userFunction", Substitute.Role.LEGACY_SOURCE, "source");
        }
        for (Class<?> one : Interfaces.of(udf.getUserFunction().getClass())) {
            if (LEGACY_SINKS.contains(one.getName())) {
                inField(udf, "userFunction", Substitute.Role.LEGACY_SINK, "sink");
                return "kept";
            }
        }
        return null;
    }

    private boolean writes(StreamOperatorFactory<?> factory) {
        Class<?> operator = factory instanceof SimpleOperatorFactory<?> simple
                ? simple.getOperator().getClass()
                : factory.getStreamOperatorClass(loader);
        for (Class<?> one = operator; one != null; one = one.getSuperclass()) {
            String name = one.getName();
            if (WRITING.stream().anyMatch(name::startsWith) || WRITING_KINDS.contains(name)) {
                return true;
            }
        }
        return WRITING.stream().anyMatch(factory.getClass().getName()::startsWith);
    }

    private String restoreOnly(StreamNode node, StreamOperatorFactory<?> replaced)
            throws ReflectiveOperationException {
        SimpleOperatorFactory<Object> factory = SimpleOperatorFactory.of(new RestoreOnly());
        factory.setChainingStrategy(replaced.getChainingStrategy());
        Fields.set(node, "operatorFactory", factory);
        return "kept";
    }
}
