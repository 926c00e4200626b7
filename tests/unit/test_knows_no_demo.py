"""Nothing in flinkops/ knows the demo: not by name in its code, nor by what it does with a job of another name."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

import flinkops
from flinkops.assess import assess
from flinkops.clock import FixedClock
from flinkops.config.policy import Policy
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import FleetSnapshot, JobFacts
from flinkops.render.status_json import status_json
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Recording, serving
from tests.patience import PATIENT_SECONDS

PACKAGE = Path(flinkops.__file__).parent
KNOWS_THE_DEMO = (PACKAGE / "local", PACKAGE / "cli" / "demo.py")
DEMO_WORDS = {
    *("price", "prices", "price-aggregation", "price_aggregation", "price-alerts", "price_alerts", "price_5m"),
    *("raw-scrapes-in", "scrapes", "sku", "retailer", "dedup", "dead_letters", "classify", "WindowAggregate"),
}

GENERAL = {
    PACKAGE / "outside" / "keys.py": {"dedup"},
    PACKAGE / "sources" / "flink" / "plan_facts.py": {"WindowAggregate"},
    PACKAGE / "cli" / "main.py": {"prices"},
}
"""Where a word of the demo is the field's own (a key's columns, a planner's operator), or its line in the help."""


def constants(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts of a module that are not documentation: help may well show an example."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def test_no_text_of_the_code_names_it() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        content = path.read_text("utf-8")
        if any(path.is_relative_to(allowed) for allowed in KNOWS_THE_DEMO):
            continue
        if any(word in content for word in DEMO_WORDS):  # few files: to parse all of them takes a second
            for line, text in constants(ast.parse(content)):
                words = DEMO_WORDS - GENERAL.get(path, set())
                found += [f"{path}:{line}: {word}" for word in re.findall(r"[\w-]+", text) if word in words]
    assert found == []


def recorded_job() -> JobFacts:
    flink = FakeFlink(Recording.load("flink-2.3-prices"))
    with serving(flink):
        source = FlinkRestSource(parse_endpoint(flink.url, name="c"), clock=FixedClock(1_795_445_580_000))
        (found,) = source.poll(PATIENT_SECONDS).jobs
        source.close()
    return found


def test_another_name_changes_nothing_but_the_name() -> None:
    facts = recorded_job()
    names = {"c0ffee": facts.id, "job of another": facts.name}
    for index, vertex in enumerate(facts.vertices):
        names |= {f"vertexid{index}": vertex.id, f"vertex named {index}": vertex.name}
    text = msgspec.json.encode(facts).decode()
    for new, old in sorted(names.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(json.dumps(old)[1:-1], new)
    renamed = msgspec.json.decode(text, type=JobFacts)
    assert renamed.name == "job of another"

    def shown(job: JobFacts) -> str:
        polled = FleetSnapshot(taken_ms=job.seen_ms, jobs=(job,))
        return status_json(assess(polled, {}, Policy()))

    back = shown(renamed)
    for new, old in names.items():
        back = back.replace(new, json.dumps(old)[1:-1])
    assert back == shown(facts)
