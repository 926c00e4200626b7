"""What functions of PyFlink say of their states, in an interpreter of their own; on the PyFlink that is installed."""

import base64
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote

import pytest

from flinkops.local.client import SOURCES

pytestmark = pytest.mark.local

SCRIPT = (SOURCES / "flinkops" / "rehearsal" / "python_states.py").read_text()
FUNCTIONS = """
    import base64, cloudpickle
    from pyflink.common import Types
    from pyflink.datastream.functions import KeyedBroadcastProcessFunction, KeyedProcessFunction
    from pyflink.datastream.state import *
    from pyflink.fn_execution.flink_fn_execution_pb2 import UserDefinedDataStreamFunction as Kind

    RULES = MapStateDescriptor("rules", Types.LONG(), Types.STRING())

    class Keyed(KeyedProcessFunction):
        def open(self, context):
            row = Types.ROW_NAMED(["a", "b"], [Types.INT(), Types.LIST(Types.STRING())])
            context.get_state(ValueStateDescriptor("last", row))
            context.get_list_state(ListStateDescriptor("all of them", Types.PICKLED_BYTE_ARRAY()))
            context.get_map_state(MapStateDescriptor("by key", Types.LONG(), Types.DOUBLE()))
            print("on standard output")

        def process_element(self, value, context):
            yield value

    class Ruled(KeyedBroadcastProcessFunction):
        def process_element(self, value, context):
            return rules(context)

        def process_broadcast_element(self, value, context):
            yield value

    class Broken(KeyedProcessFunction):
        def open(self, context):
            raise OSError("no model here")

        def process_element(self, value, context):
            yield value

    def rules(context):
        yield context.get_broadcast_state(RULES)

    for name, kind, one in [
        ("keyed", Kind.KEYED_PROCESS, Keyed()),
        ("ruled", Kind.KEYED_CO_BROADCAST_PROCESS, Ruled()),
        ("broken", Kind.KEYED_PROCESS, Broken()),
        ("stateless", Kind.PROCESS, Broken()),
    ]:
        print(name, int(kind), base64.b64encode(cloudpickle.dumps(one)).decode())
"""


def test_each_says_what_it_opens_and_how_it_is_written(tmp_path: Path) -> None:
    questions = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FUNCTIONS)], capture_output=True, text=True, check=True
    ).stdout
    assert base64.b64decode(questions.split()[2])
    answers = tmp_path / "answers"
    subprocess.run([sys.executable, "-c", SCRIPT, str(answers)], input=questions, text=True, check=True)
    lines = [tuple(unquote(word) for word in line.split(" ")) for line in answers.read_text().splitlines()]
    texts = {(operator, name) for operator, kind, name, _ in lines if kind == "mentioned"}
    assert {("keyed", "last"), ("ruled", "rules")} <= texts
    assert [line for line in lines if line[1] != "mentioned"] == [
        ("keyed", "list", "last", "Row(Int, GenericArray(Char))"),
        ("keyed", "list", "all of them", "Pickle"),
        ("keyed", "map", "by key", "BigInt to Double"),
        ("ruled", "broadcast", "rules", "BigInt to Char"),
        ("broken", "unknown", "OSError: no model here", ""),
    ]
