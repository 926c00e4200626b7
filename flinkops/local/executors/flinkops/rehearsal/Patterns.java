package flinkops.rehearsal;

import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.flink.streaming.api.graph.StreamNode;

/**
 * Patterns of events (CEP). A match that has begun is at a stage of the pattern, by its name: one that the new pattern
 * does not have is restored without complaint, and fails the job at the key's next event.
 */
final class Patterns {
    private static final Map<String, Set<String>> STAGES = new ConcurrentHashMap<>();

    private Patterns() {}

    /** The stages of the new pattern, where the node has one. */
    static void note(String operator, StreamNode node) {
        try {
            Object cep = Fields.get(node.getOperatorFactory(), "operator");
            if (cep.getClass().getName().equals("org.apache.flink.cep.operator.CepOperator")) {
                Object automaton = ask(Fields.get(cep, "nfaFactory"), "createNFA");
                STAGES.put(operator, ((Collection<?>) ask(automaton, "getStates")).stream()
                        .map(Patterns::name).collect(Collectors.toSet()));
            }
        } catch (ReflectiveOperationException | RuntimeException | LinkageError other) {
            // no pattern, or one that is not known: its values are read as those of any state
        }
    }

    /** Throws where the value is of a key's matches, and one of them is at a stage that there is not. */
    static void check(String operator, Object value) throws ReflectiveOperationException {
        Set<String> stages = STAGES.get(operator);
        if (stages == null || value == null || !value.getClass().getName().equals("org.apache.flink.cep.nfa.NFAState")) {
            return;
        }
        for (String matches : new String[] {"getPartialMatches", "getCompletedMatches"}) {
            for (Object match : (Collection<?>) ask(value, matches)) {
                String stage = (String) ask(match, "getCurrentStateName");
                if (!stages.contains(stage)) {
                    throw new IllegalStateException("the pattern has no stage " + stage + " any more, where matches have begun");
                }
            }
        }
    }

    private static String name(Object stage) {
        try {
            return (String) ask(stage, "getName");
        } catch (ReflectiveOperationException unknown) {
            throw new IllegalStateException(unknown);
        }
    }

    private static Object ask(Object owner, String method) throws ReflectiveOperationException {
        java.lang.reflect.Method found = owner.getClass().getMethod(method);
        found.setAccessible(true); // of a class that is not public
        return found.invoke(owner);
    }
}
