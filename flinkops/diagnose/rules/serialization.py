"""serialization: the time goes into turning records into bytes and back."""

import re
from functools import lru_cache

from flinkops.diagnose.case import BUSY_RATIO, HIGH_BACKPRESSURE_RATIO, Case, NextStep
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.diagnose.stacks import shares
from flinkops.model.facts import VertexFacts
from flinkops.model.findings import EvidenceLine, Finding, NotAssessed, Remedy, Severity
from flinkops.model.numbers import total, worst

SHARE_RATIO = 0.4
"""Of the on-CPU samples of a vertex: more than a third of the work is not the job's own (calibrated in the lab)."""
TIME_RATIO = 0.5
"""Of all its time: half of it is much even where some is left (calibrated in the lab)."""
WORTH_SAYING_RATIO = 0.3
WORTH_A_LINE_RATIO = 0.02

# The innermost frame of a kind decides; "" ends it: what a deserialiser hands on is the job's own work again.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("", re.compile(r"\.processElement|Output\.collect|\.processRecord|UserFunction|\.pushToOperator")),
    ("Kryo", re.compile(r"com\.esotericsoftware|KryoSerializer")),
    ("JSON", re.compile(r"(?i)jackson|com\.google\.gson|fastjson|org\.json\.|json\w{0,60}?serializ|JsonParser")),
    ("Avro", re.compile(r"org\.apache\.avro|AvroSerializer|AvroDeserial")),
    ("Python", re.compile(r"org\.apache\.beam|PythonFunctionRunner|fn_execution|\.python\.\w*(Runner|Operator)")),
    ("Java serialization", re.compile(r"java\.io\.Object(In|Out)putStream|JavaSerializer|InstantiationUtil")),
    ("POJO", re.compile(r"PojoSerializer")),
    (
        "Flink types",
        re.compile(r"Serializer\.(de)?(serialize|copy)|SpanningRecord(De)?[sS]erializer|serializeRecord|getNextRecord"),
    ),
)
_ADVICE: dict[str, Remedy] = {
    "Kryo": remedy(
        "Make the type a POJO, a Row, a tuple or an Avro record; this setting makes the job fail where a type would "
        "fall back to Kryo, so that it is found in CI; costs a state migration for that type",
        key="pipeline.generic-types",
        value="false",
    ),
    "JSON": remedy(
        "Parse only the fields that are used, once, at the source; or have the producer write Avro or Protobuf: "
        "costs a change of the topic's format",
        key="value.format",
        value="avro-confluent",
    ),
    "Python": remedy(
        "Run Python functions in the JVM's process, or write them in Java or SQL; thread mode shares one interpreter",
        key="python.execution-mode",
        value="thread",
    ),
}
_REUSE = remedy(
    "Hand records between chained operators without copying them; safe where no function keeps or changes its input",
    key="pipeline.object-reuse",
    value="true",
)


@lru_cache(maxsize=8192)
def kind_of(frame: str) -> str | None:
    """The kind of serialization that a frame belongs to; "" for the job's own work, None: as its caller."""
    return next((kind for kind, pattern in _KINDS if pattern.search(frame)), None)


def judge(case: Case) -> Verdict:
    """By the flame graphs that were taken, and by what the job says of Python."""
    findings = [found for vertex in case.job.vertices if (found := _by_stacks(case, vertex)) is not None]
    if (python := _by_python(case)) is not None:
        findings = _with_python(findings, python)
    if findings:
        return findings
    if not any(each.graph.root is not None for each in case.evidence.flame_graphs):
        said = next((each.graph.why for each in case.evidence.flame_graphs if each.graph.why), None)
        return NotAssessed("serialization", said or case.why_missing("flame_graphs", "no flame graph was taken"))
    return ()


def _by_stacks(case: Case, vertex: VertexFacts) -> Finding | None:
    graph = case.flame_graph(vertex.id)
    if graph is None or graph.root is None:
        return None
    by_kind = {kind: share for kind, share in shares(graph.root, kind_of).items() if kind}
    share, busy = min(1.0, sum(by_kind.values())), worst(vertex.busy_ratio)
    what = f'share of the on-CPU samples of "{vertex.name}" in serialization'
    if not case.at_least(what, share, WORTH_SAYING_RATIO, "ratio"):
        return None
    at_limit = busy is not None and (busy >= BUSY_RATIO or busy * share >= TIME_RATIO or case.holds_up(vertex))
    severity: Severity = "warning" if share >= SHARE_RATIO and at_limit else "info"
    worst_kind = max(by_kind, key=lambda kind: by_kind[kind])
    lines = [
        line(f'share of the on-CPU samples of "{vertex.name}" in serialization', share, SHARE_RATIO, "ratio"),
        line("share of time that its worst subtask is busy", busy, BUSY_RATIO, "ratio"),
        *(line(f"share of its samples in {kind}", part, unit="ratio") for kind, part in _parts(by_kind)),
        *_bytes_a_record(vertex),
    ]
    return _finding(case, vertex, severity, min(0.95, 0.5 + share / 2), worst_kind, lines)


def _parts(by_kind: dict[str, float]) -> list[tuple[str, float]]:
    """The largest first; what is hardly there is left out."""
    return sorted(((kind, part) for kind, part in by_kind.items() if part >= WORTH_A_LINE_RATIO), key=lambda kv: -kv[1])


def _by_python(case: Case) -> Finding | None:
    """A Python operator in process mode that holds the others up: each record goes to another process and back."""
    vertex = case.bottleneck
    plan = case.evidence.detail.plan if case.evidence.detail else {}
    python = vertex is not None and "python" in f"{vertex.name} {plan.get(vertex.id, '')}".lower()
    if not case.holds("a Python operator holds the others up", python) or vertex is None:
        return None
    if case.setting("python.execution-mode") == "thread" or (case.held_ratio or 0.0) <= HIGH_BACKPRESSURE_RATIO:
        return None
    lines = [
        line(
            f'"{vertex.name}" runs Python in a process of its own and holds up its input', case.held_ratio, unit="ratio"
        )
    ]
    return _finding(case, vertex, "warning", 0.6, "Python", lines)


def _with_python(by_stacks: list[Finding], python: Finding) -> list[Finding]:
    """Stacks that already warn of its vertex know more; what is info there, or of another vertex, does not hide it."""
    if any(each.vertex == python.vertex and each.severity != "info" for each in by_stacks):
        return by_stacks
    return [*(each for each in by_stacks if each.vertex != python.vertex), python]


def _finding(
    case: Case, vertex: VertexFacts, severity: Severity, confidence: float, kind: str, lines: list[EvidenceLine]
) -> Finding:
    step = _next(case, vertex, kind)
    return Finding(
        code="serialization",
        severity=severity,
        confidence=confidence,
        title=f'Serialization: "{vertex.name}" spends its time on {kind}',
        vertex=vertex.name,
        evidence=tuple(lines),
        remedy=tuple(each for each in (_ADVICE.get(kind), _REUSE) if each is not None),
        next=step.command,
        move=step.move,
        reference=FLINK_DOCS + "dev/datastream/fault-tolerance/serialization/types_serialization/",
    )


def _next(case: Case, vertex: VertexFacts, kind: str) -> NextStep:
    """Other formats take days: until then, more subtasks where it holds others up."""
    setting = _ADVICE.get(kind)
    if kind == "Python" and setting and setting.key and setting.value:
        return case.upgrade_with(setting.key, setting.value)
    return case.scaled_or_shown(vertex if case.holds_up(vertex) else None)


def _bytes_a_record(vertex: VertexFacts) -> list[EvidenceLine]:
    read, size = vertex.records_in, vertex.bytes_in
    if not read or not size or not total(vertex.records_in_per_second):
        return []
    return [line("bytes that come in per record", size / read, unit="bytes")]


RULE = Rule("serialization", judge, steady=True)
