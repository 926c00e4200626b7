"""Which states functions of a PyFlink program open, with their coders: their own `open` is called, nothing else.

Run by PythonStates.java in the interpreter of the program: lines of operator, kind of function and its payload on
standard input; lines of operator, kind of state, name and coder into the file that is the first argument. An operator
whose function does not open without records is one line: operator, ``unknown``, why. Texts that its code holds follow
as ``mentioned``: a state of that name may be opened with a record.
"""

import base64
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any
from urllib.parse import quote

from pyflink.datastream.state import MapStateDescriptor, StateDescriptor
from pyflink.fn_execution import pickle
from pyflink.fn_execution.coders import from_type_info
from pyflink.fn_execution.datastream.process.runtime_context import StreamingRuntimeContext
from pyflink.fn_execution.datastream.window.window_operator import WindowOperator
from pyflink.fn_execution.flink_fn_execution_pb2 import UserDefinedDataStreamFunction as Kind
from pyflink.fn_execution.metrics.process.metric_impl import GenericMetricGroup

_KEYED = (Kind.KEYED_PROCESS, Kind.KEYED_CO_PROCESS, Kind.KEYED_CO_BROADCAST_PROCESS)
_BROADCAST = (Kind.CO_BROADCAST_PROCESS, Kind.KEYED_CO_BROADCAST_PROCESS)
_MOST_OBJECTS = 2_000
_MOST_SECONDS = 90
_LONGEST_NAME, _MOST_NAMES = 100, 500
_NAMES = ("_field_names", "field_names")  # of a row: they are not written
_CONTEXT = {
    "task_name": "rehearsal",
    "task_name_with_subtasks": "rehearsal (1/1)",
    "number_of_parallel_subtasks": 1,
    "max_number_of_parallel_subtasks": 128,
    "index_of_this_subtask": 0,
    "attempt_number": 0,
    "job_parameters": (),
    "in_batch_execution_mode": False,
}

Found = tuple[str, str, str]


def coder_text(coder: Any) -> str:
    """What decides on the bytes that it writes.

    A class of its own without fields of note is its name; what holds coders names them.
    """
    inner = []
    for name, value in sorted(vars(coder).items()) if hasattr(coder, "__dict__") else ():
        if name in _NAMES or callable(value):
            continue
        parts = value if isinstance(value, (list, tuple)) else [value]
        inner += [coder_text(one) if "coders" in type(one).__module__ else str(one) for one in parts if _tells(one)]
    name = type(coder).__name__.removesuffix("Coder")
    return f"{name}({', '.join(inner)})" if inner else name


def _tells(value: Any) -> bool:
    return isinstance(value, (bool, int, str)) or "coders" in type(value).__module__


class Backend:
    """In place of the keyed state of an operator: notes what is opened."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.namespace_coder: Any = None

    def get_value_state(self, name: str, coder: Any, _ttl: Any = None) -> object:
        """A value is a list of one."""
        return self._note("list", name, coder_text(coder))

    get_list_state = get_value_state

    def get_reducing_state(self, name: str, coder: Any, _function: Any, _ttl: Any = None) -> object:
        """Its coder is that of what it accumulates."""
        return self._note("list", name, coder_text(coder))

    get_aggregating_state = get_reducing_state

    def get_map_state(self, name: str, key: Any, value: Any, _ttl: Any = None) -> object:
        """Of entries."""
        return self._note("map", name, f"{coder_text(key)} to {coder_text(value)}")

    def _note(self, kind: str, name: str, coder: str) -> object:
        self.found.append((kind, name, coder))
        return SimpleNamespace()  # without a record there is no key, and nothing to ask it


def states_of(kind: int, payload: bytes) -> Iterator[Found]:
    """Those that this function opens."""
    if kind not in (*_KEYED, *_BROADCAST, Kind.WINDOW):
        return
    function = pickle.loads(payload)
    backend = Backend()
    _open(function, kind, backend)
    yield from backend.found
    described, named = held_by(function)
    if kind in _BROADCAST:
        keyed_names = {name for _, name, _ in backend.found}
        yield from _broadcast(one for one in described if one.name not in keyed_names)
    for name in named:
        yield "mentioned", name, ""


def _open(function: Any, kind: int, backend: Backend) -> None:
    """As a worker does before the first record."""
    keyed = backend if kind != Kind.CO_BROADCAST_PROCESS else None
    context = StreamingRuntimeContext.of(SimpleNamespace(**_CONTEXT), GenericMetricGroup(None, None), keyed)
    if kind == Kind.WINDOW:
        backend.namespace_coder = function.window_serializer._get_coder()
        WindowOperator(
            function.assigner,
            backend,
            None,
            function.window_state_descriptor,
            function.internal_window_function,
            function.trigger,
            function.allowed_lateness,
            function.late_data_output_tag,
        ).open(context, None)
    elif hasattr(function, "open"):
        function.open(context)


def _broadcast(described: Iterable[Any]) -> Iterator[Found]:
    for one in described:
        coder = from_type_info(one.type_info)
        yield "broadcast", one.name, f"{coder_text(coder._key_coder)} to {coder_text(coder._value_coder)}"


def held_by(function: Any) -> tuple[list[Any], list[str]]:
    """Descriptors of maps and texts that the function holds, or that its code names: what it may open with a record."""
    found, texts = dict[str, Any](), set[str]()
    ahead, seen = [function, *vars(type(function)).values()], set[int]()
    while ahead and len(seen) < _MOST_OBJECTS:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str):
            texts.add(one)
        elif isinstance(one, StateDescriptor):
            texts.add(one.name)
            if isinstance(one, MapStateDescriptor):
                found[one.name] = one
        elif isinstance(one, FunctionType):
            ahead += _named(one)
        elif type(one).__module__ == type(function).__module__ and hasattr(one, "__dict__"):
            ahead += vars(one).values()
    short = sorted(one for one in texts if one and len(one) <= _LONGEST_NAME)
    return list(found.values()), short[:_MOST_NAMES]


def _named(function: FunctionType) -> Iterator[Any]:
    """What its code names: constants, globals, and what it closes over."""
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        yield from (one for one in code.co_consts if isinstance(one, str))
        codes += [one for one in code.co_consts if isinstance(one, CodeType)]
        yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # empty


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main(target: str) -> None:
    """One operator after the other; the first word of a line says whose it is."""
    signal.alarm(_MOST_SECONDS)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with open(target, "w", encoding="utf-8") as answers:
        for line in sys.stdin:
            operator, kind, payload = line.split()
            try:
                found = list(states_of(int(kind), base64.b64decode(payload)))
            except BaseException as problem:  # noqa: BLE001 - whatever their code throws; the next one is asked all the same
                found = [("unknown", f"{type(problem).__name__}: {problem}"[:200], "")]
            for words in found:
                answers.write(" ".join([operator, *(quote(word, safe="") for word in words)]) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
