package flinkops.rehearsal;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.runtime.state.ConfigurableStateBackend;
import org.apache.flink.runtime.state.StateBackend;
import org.apache.flink.runtime.state.StateBackendFactory;
import org.apache.flink.runtime.state.StateBackendLoader;
import org.apache.flink.util.FlinkException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The state backend that the job would have, behind proxies that note which states are opened, and read of each. */
public final class RecordingBackendFactory implements StateBackendFactory<StateBackend> {
    private static final Logger LOG = LoggerFactory.getLogger(RecordingBackendFactory.class);
    private static final Pattern OPERATOR = Pattern.compile("_([0-9a-f]{32})_\\(");

    @Override
    public StateBackend createFromConfig(ReadableConfig given, ClassLoader loader) throws IOException {
        StateBackend real = real(given, loader);
        return (StateBackend) Interfaces.proxy(
                StateBackend.class.getClassLoader(), Interfaces.set(StateBackend.class), (proxy, method, arguments) -> {
                    Object answer = ask(real, method, arguments);
                    if (method.getName().equals("createKeyedStateBackend") && BehindChangelog.asks()) {
                        BehindChangelog.add(answer, operator(arguments[0]), arguments[0]);
                        return answer;
                    }
                    return switch (method.getName()) {
                        case "createKeyedStateBackend" ->
                                RecordingKeyedBackend.around(answer, operator(arguments[0]), arguments[0]);
                        case "createAsyncKeyedStateBackend" ->
                                RecordingKeyedBackend.aroundAsync(answer, operator(arguments[0]));
                        case "createOperatorStateBackend" ->
                                RecordingOperatorBackend.around(answer, operator(arguments[0]));
                        default -> answer;
                    };
                });
    }

    private static StateBackend real(ReadableConfig given, ClassLoader loader) throws IOException {
        StateBackend set = Recorder.backend;
        if (set != null) {
            return set instanceof ConfigurableStateBackend open ? open.configure(given, loader) : set;
        }
        Configuration configuration = new Configuration((Configuration) given);
        configuration.removeKey("state.backend");
        configuration.setString("state.backend.type", Recorder.backendName);
        try {
            return StateBackendLoader.loadStateBackendFromConfig(configuration, loader, LOG);
        } catch (FlinkException problem) {
            throw new IOException(problem);
        }
    }

    private static String operator(Object parameters) throws ReflectiveOperationException {
        Method identifier = parameters.getClass().getMethod("getOperatorIdentifier");
        identifier.setAccessible(true);
        Matcher found = OPERATOR.matcher((String) identifier.invoke(parameters));
        return found.find() ? found.group(1) : "";
    }

    static Object ask(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException problem) {
            throw problem.getCause();
        }
    }
}
