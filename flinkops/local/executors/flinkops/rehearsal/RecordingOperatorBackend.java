package flinkops.rehearsal;

import java.lang.reflect.Method;
import java.util.Set;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.runtime.state.OperatorStateBackend;

/** An operator state backend that notes each state that is opened; Flink reads its values when it restores them. */
final class RecordingOperatorBackend {
    private static final Set<String> OPENING = Set.of("getListState", "getUnionListState", "getBroadcastState");

    private RecordingOperatorBackend() {}

    static Object around(Object real, String operator) {
        OperatorStateBackend backend = (OperatorStateBackend) real;
        Set<String> restored = Set.copyOf(backend.getRegisteredStateNames());
        Set<String> broadcast = Set.copyOf(backend.getRegisteredBroadcastStateNames());
        return Interfaces.proxy(real.getClass().getClassLoader(), Interfaces.of(real.getClass()), (proxy, method, arguments) -> {
            if (!OPENING.contains(method.getName())) {
                return RecordingBackendFactory.ask(real, method, arguments);
            }
            String name = name(arguments[0]);
            boolean broadcasts = method.getName().equals("getBroadcastState");
            boolean known = (broadcasts ? broadcast : restored).contains(name);
            String type = broadcasts ? "BROADCAST" : "LIST";
            Recorder.Opened state = Recorder.opened(operator, name, "operator", type, "");
            try {
                Object answer = RecordingBackendFactory.ask(real, method, arguments);
                Recorder.note(state, null, known, null);
                return answer;
            } catch (Throwable problem) {
                Recorder.note(state, null, known, problem);
                throw problem;
            }
        });
    }

    private static String name(Object descriptor) throws ReflectiveOperationException {
        if (descriptor instanceof StateDescriptor<?, ?> one) {
            return one.getName();
        }
        Method id = descriptor.getClass().getMethod("getStateId");
        return (String) id.invoke(descriptor);
    }
}
