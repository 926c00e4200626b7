package flinkops.rehearsal;

import java.io.Serializable;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.functions.async.ResultFuture;

/**
 * Stands in the place of a source, a sink or a function that would touch the outside: it has the original's types and
 * serializers, so that state is read for real, and does nothing.
 */
final class Substitute implements InvocationHandler, Serializable {
    private static final long serialVersionUID = 1L;

    enum Role {
        SOURCE,
        SINK,
        LEGACY_SOURCE,
        LEGACY_SINK,
        ASYNC_FUNCTION
    }

    private final Role role;
    private final Object original;
    private transient volatile boolean cancelled;

    private Substitute(Role role, Object original) {
        this.role = role;
        this.original = original;
    }

    /** Implements the original's public interfaces. */
    static Object of(Role role, Object original, ClassLoader loader) {
        return Interfaces.proxy(loader, Interfaces.of(original.getClass()), new Substitute(role, original));
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        if (method.getDeclaringClass() == Object.class) {
            return ask(method, arguments);
        }
        return switch (role) {
            case SOURCE -> source(method, arguments);
            case SINK -> sink(method, arguments);
            case LEGACY_SOURCE -> legacySource(method, arguments);
            case LEGACY_SINK -> legacySink(method, arguments);
            case ASYNC_FUNCTION -> async(method, arguments);
        };
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private Object source(Method method, Object[] arguments) throws Throwable {
        return switch (method.getName()) {
            case "createReader" -> new IdleReader();
            case "createEnumerator" -> new IdleEnumerator(null);
            case "restoreEnumerator" -> new IdleEnumerator(arguments[1]);
            case "getEnumeratorCheckpointSerializer" ->
                    new NullTolerant((SimpleVersionedSerializer) ask(method, arguments));
            default -> ask(method, arguments);
        };
    }

    private Object sink(Method method, Object[] arguments) throws Throwable {
        return switch (method.getName()) {
            case "createWriter" -> idle(writerTypes(method), List.of());
            case "restoreWriter" -> idle(writerTypes(method), (Collection<?>) arguments[1]);
            case "createCommitter" -> idle(Interfaces.set(Committer.class, method.getReturnType()), List.of());
            default -> ask(method, arguments);
        };
    }

    /** Whatever Flink may take a writer for: what the sink's own methods promise. */
    private Set<Class<?>> writerTypes(Method asked) {
        Set<Class<?>> types = Interfaces.set(SinkWriter.class, asked.getReturnType());
        if (original instanceof SupportsWriterState) {
            types.add(StatefulSinkWriter.class);
        }
        if (original instanceof SupportsCommitter) {
            types.add(CommittingSinkWriter.class);
        }
        for (Class<?> one : Interfaces.of(original.getClass())) {
            for (Method method : one.getMethods()) {
                boolean makes = method.getName().equals("createWriter") || method.getName().equals("restoreWriter");
                if (makes && method.getReturnType().isInterface()) {
                    types.add(method.getReturnType());
                }
            }
        }
        return types;
    }

    private Object idle(Set<Class<?>> types, Collection<?> restored) {
        return Interfaces.proxy(original.getClass().getClassLoader(), types, (proxy, method, arguments) ->
                method.getName().equals("snapshotState") ? List.copyOf(restored) : nothing(proxy, method, arguments));
    }

    private Object legacySource(Method method, Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "run":
                while (!cancelled) {
                    Thread.sleep(20);
                }
                return null;
            case "cancel":
                cancelled = true;
                return null;
            case "initializeState":
                return ask(method, arguments);
            default:
                return lifecycle(method, arguments);
        }
    }

    /** Two-phase-commit sinks of old commit when they are initialized: not even that. */
    private Object legacySink(Method method, Object[] arguments) throws Throwable {
        return lifecycle(method, arguments);
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private Object async(Method method, Object[] arguments) throws Throwable {
        if (method.getName().equals("asyncInvoke") || method.getName().equals("timeout")) {
            ((ResultFuture) arguments[1]).complete(Collections.emptyList());
            return null;
        }
        return lifecycle(method, arguments);
    }

    /** Of a rich function: it may know its context, it does not open or close anything. */
    private Object lifecycle(Method method, Object[] arguments) throws Throwable {
        return switch (method.getName()) {
            case "setRuntimeContext", "getRuntimeContext", "getIterationRuntimeContext", "getProducedType" ->
                    ask(method, arguments);
            default -> nothing(original, method, arguments);
        };
    }

    private Object ask(Method method, Object[] arguments) throws Throwable {
        try {
            method.setAccessible(true);
            return method.invoke(original, arguments);
        } catch (InvocationTargetException problem) {
            throw problem.getCause();
        }
    }

    private static Object nothing(Object proxy, Method method, Object[] arguments) {
        Class<?> type = method.getReturnType();
        if (method.getDeclaringClass() == Object.class) {
            return switch (method.getName()) {
                case "equals" -> proxy == arguments[0];
                case "hashCode" -> System.identityHashCode(proxy);
                default -> "nothing";
            };
        }
        if (type == boolean.class) {
            return false;
        }
        if (type == int.class || type == short.class || type == byte.class) {
            return 0;
        }
        if (type == long.class) {
            return 0L;
        }
        return type.isAssignableFrom(List.class) && type != Object.class ? List.of() : null;
    }
}
