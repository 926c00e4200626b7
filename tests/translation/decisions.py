"""Prints, as one line of JSON, what is decided in many situations, and apart from that the words it is told with.

``python -m tests.translation.decisions [translated]``
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.translation import translating


def doctor() -> Iterator[tuple[str, Any, list[str]]]:
    """Health and findings of recorded jobs, ill and well."""
    import msgspec

    from flinkops.assess import assess
    from flinkops.config.policy import Policy
    from flinkops.diagnose.diagnosis import diagnose
    from flinkops.diagnose.evidence import Evidence, decode_evidence
    from flinkops.diagnose.fleet import diagnose_fleet
    from flinkops.model.facts import FleetSnapshot, SourceStatus
    from tests.unit.test_doctor_samples import FOLDER

    def anew(kept: Evidence) -> Evidence:
        """With health and signals as the code of now words them."""
        source = SourceStatus(kept.job.cluster, "rest", "ok", 0.0)
        taken = FleetSnapshot(kept.taken_ms, sources=(source,), jobs=(kept.job,))
        shown = assess(taken, {kept.job.key: kept.history}, Policy()).jobs[0]
        return msgspec.structs.replace(kept, assessment=msgspec.structs.replace(shown, facts=None))

    for path in sorted(FOLDER.glob("*/*.json")):
        whole = anew(decode_evidence(path.read_bytes()))
        less = msgspec.structs.replace(whole, detail=None, flame_graphs=())
        for name, each in (("whole", whole), ("less", less)):
            found, health = diagnose(each), each.assessment.health
            decided = [
                [health.level, [[reason.code.value, reason.level] for reason in health.reasons]],
                [
                    [one.code, one.severity, one.confidence, one.caused_by, one.phase, one.vertex, len(one.evidence)]
                    for one in found.findings
                ],
                [one.code for one in found.not_assessed],
                found.score,
                sorted(each.assessment.unknown),
                sorted(each.assessment.not_applicable),
            ]
            words = [one.title for one in found.findings] + [reason.text for reason in health.reasons]
            yield f"doctor {path.stem} {name}", decided, words
    everything = [anew(decode_evidence(path.read_bytes())) for path in sorted(FOLDER.glob("*/*.json"))]
    fleet = diagnose_fleet([everything[0], *everything])
    yield "doctor fleet", [[each.score, [one.code for one in each.findings]] for each in fleet], []


def built() -> Iterator[tuple[str, Any, list[str]]]:
    """Jobs made ill fact by fact, where no recording has the fault."""
    import msgspec

    from flinkops.diagnose.diagnosis import diagnose
    from flinkops.model.facts import CheckpointPhases
    from tests.unit.builders import failing, spread, with_vertex
    from tests.unit.doctor_cases import detail, evidence, job, thrown

    held = with_vertex(job(checkpoints=failing(3)), "src", backpressured_ratio=spread(0.9), busy_ratio=spread(0.1))
    held = with_vertex(held, "work", busy_ratio=spread(0.98))
    cases: dict[str, Any] = {"held": evidence(held)}
    for part in ("start_delay_seconds", "alignment_seconds", "sync_seconds", "async_seconds"):
        phases = msgspec.structs.replace(CheckpointPhases(vertex="vertex work"), **{part: 30.0})
        cases[f"held, {part}"] = evidence(held, detail=detail(checkpoint_phases=(phases,)))
    for state in ("FAILED", "RESTARTING", "CREATED", "FINISHED", "CANCELED", "SUSPENDED", "UNKNOWN", "odd"):
        cases[state] = evidence(job(state=state, exceptions=(thrown(20), thrown(10)), unknown={"state": "why not"}))
    for name, case in cases.items():
        found, health = diagnose(case), case.assessment.health
        decided = [
            [health.level, [reason.code.value for reason in health.reasons]],
            [[one.code, one.severity, one.caused_by, one.phase] for one in found.findings],
            [one.code for one in found.not_assessed],
        ]
        yield f"built {name}", decided, [one.title for one in found.findings]


def predictions() -> Iterator[tuple[str, Any, list[str]]]:
    """What the operator is expected to do."""
    from flinkops.plan.operator.predict import predict
    from tests.unit.operator_cases import FEATURES, deployed_with, in_state
    from tests.unit.test_operator_modes import ROWS

    for row in ROWS:
        for operator, features in FEATURES.items():
            resource = in_state(operator, row.state, jobmanager=row.jobmanager, **row.job_status)
            spec = {"job_upgradeMode": row.mode, "settings": row.settings, **row.deployed}
            resource = deployed_with(resource, **spec)
            found = predict(resource, row.edit, observed=row.observed, features=features)
            decided = [found.change, found.effective_mode, len(found.why), len(found.risks), len(found.refused)]
            yield f"prediction {row.name} {operator}", decided, [*found.why, *found.risks, *found.refused]


def outcomes() -> Iterator[tuple[str, Any, list[str]]]:
    """How actions end: on a cluster without the operator and under it."""
    from flinkops.errors import FlinkopsError
    from flinkops.model.request import Change
    from tests.unit.fake_operator import BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE, FakeOperator, operating
    from tests.unit.operator_bench import Bench as OperatorBench
    from tests.unit.rest_bench import Bench

    for name, prepare in REST_CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder))
            prepare(bench)
            try:
                result = bench.executor().run(bench.plan(Change(parallelism=2)))
            except FlinkopsError as refusal:
                yield f"outcome {name}", type(refusal).__name__, [refusal.line()]
            else:
                yield f"outcome {name}", _decided(result), [str(result.error)]
    for image in ("count:2", BAD_IMAGE, LOOPING_IMAGE, WRONG_STATE_IMAGE):
        fake = FakeOperator()
        with tempfile.TemporaryDirectory() as folder, operating(fake) as url:
            operated = OperatorBench(fake, url, Path(folder))
            result = operated.run(operated.upgrade(image=image))
            operated.control.close()
            yield f"outcome {image} under the operator", _decided(result), [str(result.error)]


def _decided(result: Any) -> list[Any]:
    return [result.outcome, [[step.name, step.outcome] for step in result.steps], sorted(result.seen)]


def _fails_its_savepoint(bench: Any) -> None:
    bench.cluster.savepoint_failure = "the disk is full"


def _knows_no_checkpoints(bench: Any) -> None:
    bench.cluster.checkpoints_known = False


def _loses_state(bench: Any) -> None:
    bench.cluster.forgets = True


REST_CASES: dict[str, Any] = {
    "well": lambda bench: None,
    "savepoint fails": _fails_its_savepoint,
    "checkpoints unknown": _knows_no_checkpoints,
    "state lost": _loses_state,
}


def main() -> None:
    """Decisions and words of all situations."""
    if "translated" in sys.argv[1:]:
        translating.install()
    decided: dict[str, Any] = {}
    words: dict[str, list[str]] = {}
    for situations in (doctor, built, predictions, outcomes):
        for name, decision, told in situations():
            assert name not in decided, name
            decided[name], words[name] = decision, told
    print(json.dumps({"decided": decided, "words": words, "modules": translating.COUNTS}))  # noqa: T201


if __name__ == "__main__":
    main()
