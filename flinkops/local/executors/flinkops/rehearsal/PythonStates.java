package flinkops.rehearsal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.flink.streaming.api.graph.StreamNode;

/**
 * What functions of a PyFlink program open with their first record, and as what: to Flink such a state is bytes, and only
 * Python knows how they are read. The functions are asked in an interpreter like the one that builds the graph.
 */
final class PythonStates {
    /** Of the names that PyFlink's states have in Flink. */
    static final String PREFIX = "python-state-";

    private static final String SCRIPT = "python_states.py";
    private static final int MOST_SECONDS = 60;

    private final StringBuilder questions = new StringBuilder();
    private final Path answers;
    private Process process;

    PythonStates(Path folder) {
        this.answers = folder.resolve("python-states");
    }

    /** An operator that has such states. */
    void add(String id, StreamNode node) {
        try {
            Object operator = Fields.get(node.getOperatorFactory(), "operator");
            if (operator.getClass().getName().contains(".operators.python.process.")) {
                functions(id, Fields.get(operator, "pythonFunctionInfo"));
            }
        } catch (ReflectiveOperationException | RuntimeException other) {
            // no operator of PyFlink's stream functions: its states stay untried, and are named so
        }
    }

    private void functions(String id, Object info) throws ReflectiveOperationException {
        Object function = ask(info, "getPythonFunction");
        byte[] payload = (byte[]) ask(function, "getSerializedPythonFunction");
        questions.append(id).append(' ').append(ask(info, "getFunctionType")).append(' ')
                .append(Base64.getEncoder().encodeToString(payload)).append('\n');
        for (Object input : (Object[]) ask(info, "getInputs")) {
            if (input != null && input.getClass() == info.getClass()) {
                functions(id, input); // chained: the first one of them has the keyed state
            }
        }
    }

    private static Object ask(Object owner, String method) throws ReflectiveOperationException {
        return owner.getClass().getMethod(method).invoke(owner);
    }

    /** Beside the restore. */
    void start() {
        Optional<ProcessHandle> python = questions.length() == 0 ? Optional.empty() : python();
        if (python.isEmpty()) {
            return;
        }
        try (InputStream script = PythonStates.class.getResourceAsStream(SCRIPT)) {
            Path its = Path.of("/proc", String.valueOf(python.get().pid()));
            String[] command = Files.readString(its.resolve("cmdline")).split("\0");
            String text = new String(script.readAllBytes(), StandardCharsets.UTF_8);
            ProcessBuilder builder = new ProcessBuilder(command[0], "-c", text, answers.toString());
            builder.environment().clear();
            for (String entry : Files.readString(its.resolve("environ")).split("\0")) {
                int equals = entry.indexOf('=');
                if (equals > 0 && !entry.startsWith("PYFLINK_GATEWAY_")) {
                    builder.environment().put(entry.substring(0, equals), entry.substring(equals + 1));
                }
            }
            process = builder.redirectOutput(Redirect.DISCARD).redirectError(Redirect.DISCARD).start();
            try (OutputStream input = process.getOutputStream()) {
                input.write(questions.toString().getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException | RuntimeException unknown) {
            // then they stay untried
        }
    }

    /** The one in which the program's main runs: it has the program's environment, and its modules. */
    private static Optional<ProcessHandle> python() {
        return ProcessHandle.current().children()
                .filter(one -> one.info().command().orElse("").contains("python"))
                .findFirst();
    }

    /** Operator, kind, name and coder of each; kind `unknown` where its function does not open, and its name says why. */
    List<Map<String, Object>> told() throws InterruptedException {
        List<Map<String, Object>> all = new ArrayList<>();
        if (process == null) {
            return all;
        }
        if (!process.waitFor(MOST_SECONDS, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly().waitFor();
        }
        try {
            for (String line : Files.readAllLines(answers)) {
                String[] words = line.split(" ", -1);
                if (words.length == 4) {
                    Map<String, Object> state = new LinkedHashMap<>();
                    state.put("operator", words[0]);
                    state.put("kind", decoded(words[1]));
                    state.put("name", decoded(words[2]));
                    state.put("coder", decoded(words[3]));
                    all.add(state);
                }
            }
        } catch (IOException | RuntimeException unknown) {
            return List.of(); // then they stay untried
        }
        return all;
    }

    private static String decoded(String word) {
        return URLDecoder.decode(word, StandardCharsets.UTF_8);
    }
}
