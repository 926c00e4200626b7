"""Jobs without an operator, and rehearsals, some of it otherwise: plans, what they bring about, verdicts.

`FLINKOPS_UPDATE_GOLDEN=1 pytest -m thorough tests/unit/test_variants_of_redeployments.py` writes the files: read these.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.model.detail import ResourceRequirement
from flinkops.model.effect import EffectKind, Expected, RunsWith
from flinkops.model.facts import ClusterFacts, JobFacts
from flinkops.model.launch import Launch
from flinkops.model.overrides import OVERRIDES
from flinkops.model.request import Change, Terms
from flinkops.plan.effect import readings
from flinkops.plan.identity import Stamp
from flinkops.plan.launch_change import changed_launch, launch_changes
from flinkops.plan.preconditions import unmet
from flinkops.plan.redeploy import plan_redeploy, plan_resume, plan_suspend
from flinkops.plan.rehearsal import accepted, judge, needs_control, refusal
from flinkops.plan.rehearsal_seen import Seen
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.savepoint import plan_delete, plan_savepoint
from flinkops.render.plan import plan_lines
from flinkops.render.rehearsal import rehearsal_lines
from tests.unit.builders import checkpoint, checkpoints, job, vertex
from tests.unit.test_variants_of_jobs import whole
from tests.variants import Outcome, hold

WORDS: dict[str, tuple[Any, ...]] = {
    "kind": ("jar", "client", "embedded", "keyed", "operator", "setting", "parallelism", "vertex", "image", "program"),
    "state": ("RUNNING", "RESTARTING", "FINISHED", "FAILED"),
    "status": ("COMPLETED", "IN_PROGRESS", "FAILED"),
    "scheduler": ("Adaptive", "Default", None),
    "flink_version": ("1.20.1", "2.2.0", "2.3.0", "2.4.0", None),
    "parallelism": (1, 2, 3, 200, None),
    "outcome": ("restored", "failed", "impossible"),
    "replaced": ("source", "sink", "async", "kept", None),
    "compatibility": ("as-is", "after-migration", "incompatible"),
    "error": ("java.lang.X: broken", None),
    "runs_as": ("0" * 32, None),
    "in_graph": (True, False),
    "has_state": (True, False),
    "restore_ms": (None, 1_500),
    "verb": ("upgrade", "restart"),
    "savepoint": ("s3://b/savepoint-1", f"s3://b/{'a' * 32}/chk-7", None),
    "target_directory": ("s3://other/place", "relative", None),
    "savepoint_format": ("canonical", "native"),
    "old": ({"kind": "jar", "jar_id": "old.jar", "parallelism": 1}, None),
    "jar": ("new.jar", "file:/x/new.jar", None),
    "script": ("/x/job.py", None),
    "arguments": (["--topic", "two"], [], None),
    "entry_class": ("shop.Orders", None),
    "causes": ([{"class": "java.io.IOException"}], [{"class": "java.net.BindException", "message": "in use"}]),
    "drops": (True, False),
    "slots_available": (0, 1, 9, None),
    "accept_loss": (["count"], []),
    "max_parallelism": (1, 2, 128, None),
}
RECORDED = Path(__file__).parent / "rehearsals" / "flink-2.3.jsonl"
KNOWN = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


@pytest.mark.thorough
@pytest.mark.parametrize("verb", ["parallelism", "settings", "program", "restart"])
def test_a_redeployment_that_is_otherwise_is_planned_as_it_was(verb: str) -> None:
    asked: dict[str, dict[str, Any]] = {
        "parallelism": {"parallelism": 4},
        "settings": {"settings": {"a.b": "2", "c.d": None, OVERRIDES: "src:2"}},
        "program": {"jar": "new.jar", "entry_class": "shop.Orders", "arguments": ["--topic", "two"]},
        "restart": {},
    }
    sink = msgspec.structs.replace(vertex("sink", "src", max_parallelism=128), name="Sink: KafkaCommitter")
    runs = job(
        vertices=(vertex("src", max_parallelism=64, source_partitions=3), sink),
        scheduler="Adaptive",
        max_parallelism=128,
        configuration={
            "execution.checkpointing.savepoint-dir": "s3://b/savepoints",
            "x.transaction.timeout.ms": "900000",
        },
        checkpoints=checkpoints(latest_savepoint=checkpoint(8, 1_700_000_000_000, is_savepoint=True)),
    )
    given = {
        "job": whole(runs),
        "old": whole(Launch("jar", ("--topic", "one"), "old.jar", None, 2, {"a.b": "1", "c.d": "x"})),
        "change": {**whole(Change()), **asked[verb]},
        "cluster": whole(ClusterFacts("prod", "2.3.0", 1, 8, 4)),
        "terms": whole(Terms(rehearse=verb == "program")),
        "how": {"verb": "restart" if verb == "restart" else "upgrade", "savepoint": "s3://b/savepoint-1", "one": "src"},
        "effect": {"settings": {"a.b": "2"}, "own": {"c.d": "x"}, "untold": {"pods": "denied"}},
    }
    hold(f"redeployments/{verb}", given, planned, 30, WORDS)


def planned(document: Any) -> Outcome:
    """Each plan that the job may get."""
    runs = msgspec.convert(document["job"], JobFacts)
    old = msgspec.convert(document.get("old"), Launch | None)
    terms, how = msgspec.convert(document.get("terms", {}), Terms), document.get("how", {})
    cluster = msgspec.convert({"name": "prod", **document.get("cluster", {})}, ClusterFacts)
    change, stamp = msgspec.convert(document.get("change", {}), Change), Stamp("p1", 10_000, "flinkops upgrade")
    new = changed_launch(old, change)
    stopped = msgspec.structs.replace(runs, ended_ms=runs.seen_ms - 60_000, state="FINISHED")
    bounds = [ResourceRequirement(each.id, 1, each.parallelism) for each in runs.vertices]
    wanted = {how["one"]: change.parallelism or 3} if how.get("one") else {}
    plan = plan_redeploy(how.get("verb", "upgrade"), runs, old, new, cluster, stamp, terms)
    others = (
        plan_suspend(runs, old, stamp, terms),
        plan_resume(stopped, new, how.get("savepoint"), cluster, stamp, terms, old=old),
        plan_resume(runs, new, how.get("savepoint"), cluster, stamp, terms, running=[runs]),
        plan_rescale(runs, bounds, cluster, stamp, parallelism=change.parallelism or 3),
        plan_rescale(runs, bounds, cluster, stamp, vertices=wanted),
        plan_savepoint(runs, stamp, target_directory=terms.target_directory, savepoint_format=terms.savepoint_format),
        plan_delete(runs, "prod", ["s3://b/savepoint-1"], stamp, kept=["s3://b/savepoint-2"]),
    )
    shown = [plan_lines(each) for each in (plan, *others)]
    changes = launch_changes(runs, old, new)
    told = msgspec.convert(document.get("effect", {}), RunsWith)
    kinds: tuple[EffectKind, ...] = (
        "setting",
        "parallelism",
        "default-parallelism",
        "vertex",
        "image",
        "program",
        "other",
    )
    expected = [Expected(kind, name, "1", "2") for kind in kinds for name in ("a.b", "parallelism", "src")]
    read = [readings(expected, runs, told, application=alone) for alone in (True, False)]
    everything = (plan, others, shown, new, changes, read, [unmet(each.preconditions, runs) for each in others])
    refused = [len(each.refused) for each in (plan, *others)]
    return f"{plan.change} {plan.effective_mode}, refused {refused}, {len(plan.risks)} risks", everything


@pytest.mark.thorough
@pytest.mark.parametrize("change", [each["change"] for each in KNOWN])
def test_a_rehearsal_that_saw_something_else_is_judged_as_it_was(change: str) -> None:
    known = next(each["seen"] for each in KNOWN if each["change"] == change)
    control = next(each["seen"] for each in KNOWN if each["change"] == "unchanged")
    seen = {**known, "peers": ["kafka:9092"], "as_they_are": ["print"], "unreadable": ["x"]}
    hold(f"rehearsals/{change}", {"seen": seen, "control": control, "how": {"drops": False}}, judged, 10, WORDS)


def judged(document: Any) -> Outcome:
    seen = msgspec.convert(document["seen"], Seen)
    control = msgspec.convert(document.get("control"), Seen | None)
    found = judge("orders", seen, control=control, drops=document.get("how", {}).get("drops", False))
    alone = judge("orders", seen)
    names = [name for name in (each.name for each in seen.operators) if name]
    told = [refusal(each, given) for each in (found, alone) for given in ([], names, list(found.lost))]
    everything = (found, alone, told, accepted(found, names), needs_control(seen), rehearsal_lines(found))
    return f"{found.verdict}, {len(found.lost)} lost, {len(found.risks)} risks; {alone.verdict}", everything
