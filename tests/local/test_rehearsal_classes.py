"""What a rehearsal finds that Flink does not refuse at the restore, by Flink's own classes in one JVM.

Matches of a pattern of events whose stage was renamed, and an enumerator's state that cannot be read.
"""

import subprocess
from pathlib import Path

import pytest

from flinkops.local import flink
from flinkops.local.client import SOURCES
from flinkops.local.java import find_java
from flinkops.local.javac import compile_jar

pytestmark = pytest.mark.local

PATTERNS = """
package flinkops.rehearsal;

import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.cep.CEP;
import org.apache.flink.cep.functions.PatternProcessFunction;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.graph.StreamNode;
import org.apache.flink.util.Collector;

public class Program {
    public static class Alert extends PatternProcessFunction<Long, Long> {
        @Override
        public void processMatch(Map<String, List<Long>> match, Context context, Collector<Long> out) {}
    }

    static StreamNode node(String first, String second) {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        Pattern<Long, ?> pattern = Pattern.<Long>begin(first).followedBy(second);
        CEP.pattern(environment.fromSequence(0, 9).keyBy(one -> one), pattern)
                .process(new Alert()).returns(Types.LONG).uid("alert").sinkTo(new DiscardingSink<>());
        return environment.getStreamGraph().getStreamNodes().stream()
                .filter(one -> "alert".equals(one.getTransformationUID())).findFirst().orElseThrow();
    }

    public static void main(String[] arguments) throws Exception {
        Object factory = Fields.get(Fields.get(node("small", "large").getOperatorFactory(), "operator"), "nfaFactory");
        var create = factory.getClass().getMethod("createNFA");
        create.setAccessible(true);
        Object automaton = create.invoke(factory);
        Object state = automaton.getClass().getMethod("createInitialNFAState").invoke(automaton);
        for (String[] stages : new String[][] {{"small", "large"}, {"small", "huge"}, {"tiny", "large"}}) {
            Patterns.note("a", node(stages[0], stages[1]));
            try {
                Patterns.check("a", state);
                Patterns.check("another operator", state);
                Patterns.check("a", 7L);
                Patterns.check("a", null);
                System.out.println("fits");
            } catch (IllegalStateException problem) {
                System.out.println(problem.getMessage());
            }
        }
    }
}
"""


ENUMERATOR = """
package flinkops.rehearsal;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;

public class Program {
    public static void main(String[] arguments) throws Exception {
        NullTolerant<String> serializer = new NullTolerant<>(new SimpleVersionedSerializer<>() {
            @Override
            public int getVersion() {
                return 2;
            }

            @Override
            public byte[] serialize(String rest) {
                return rest.getBytes();
            }

            @Override
            public String deserialize(int version, byte[] bytes) throws IOException {
                if (version != 2) {
                    throw new IOException("a rest of version " + version);
                }
                return new String(bytes);
            }
        });
        System.out.println(serializer.deserialize(2, serializer.serialize("rest")) + " " + Recorder.refused);
        try {
            serializer.deserialize(1, new byte[0]);
        } catch (IOException problem) {
            System.out.println(problem == Recorder.refused);
        }
        Recorder.forget();
        System.out.println(Recorder.refused);
    }
}
"""


def ran(program: str, folder: Path) -> list[str]:
    """The lines that it prints, beside the classes of the rehearsal."""
    source = folder / "sources" / "flinkops" / "rehearsal" / "Program.java"
    source.parent.mkdir(parents=True)
    source.write_text(program)
    libraries = sorted((flink.distribution() / "lib").glob("*.jar"))
    jar = compile_jar([SOURCES, folder / "sources"], folder / "program.jar", libraries)
    command = [str(find_java()), "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, [jar, *libraries]))]
    done = subprocess.run([*command, "flinkops.rehearsal.Program"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-3:]


def test_a_match_at_a_stage_that_the_new_pattern_does_not_have_is_refused(tmp_path: Path) -> None:
    assert ran(PATTERNS, tmp_path) == [
        "fits",
        "fits",
        "the pattern has no stage small any more, where matches have begun",
    ]


def test_that_an_enumerator_cannot_read_its_state_is_noted_until_the_next_restore(tmp_path: Path) -> None:
    assert ran(ENUMERATOR, tmp_path) == ["rest null", "true", "null"]
