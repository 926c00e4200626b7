"""Every planted kind of secret through every face: screens, documents, exporter, logs, history, bundle, recording."""

import io
import json
import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from flinkops.assess import assess
from flinkops.bundle import write_bundle
from flinkops.cli.output import emit, emit_document, say
from flinkops.config.policy import Policy
from flinkops.diagnose.fleet import diagnose_fleet
from flinkops.exporter.families import Options, families
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.observability.metrics.fleet import FleetView
from flinkops.outside.logs import MaskedFormatter
from flinkops.recording import Recorder, Recording
from flinkops.render.doctor import FORMATS as DOCTOR_FORMATS
from flinkops.render.doctor import doctor_json
from flinkops.render.table import FORMATS as STATUS_FORMATS
from tests.effort import some
from tests.planted import SETTING_KEYS, Planted, planted
from tests.unit.builders import NOW_MS, failing, snapshot, vertex
from tests.unit.doctor_cases import detail, evidence
from tests.unit.doctor_cases import job as healthy_job

SECRET = "correcthorse"
KINDS = planted()


def kinds() -> list[Planted]:
    """Each face masks by one function, which test_masking holds against all kinds."""
    return some(KINDS, 50)


def ill(kind: Planted) -> JobFacts:
    """A job that has the text wherever a job has text."""
    return healthy_job(
        name=f"job {kind.text}",
        vertices=(vertex("src"), msgspec.structs.replace(vertex("work", "src"), name=f"Map {kind.text}")),
        checkpoints=failing(4, cause=kind.text),
        exceptions=(ExceptionFacts(NOW_MS - 5_000, "java.io.IOException", kind.text, "work", "tm-1"),),
        configuration={"pipeline.name": kind.text, "my.note": kind.text, "env.java.opts.all": kind.text},
        unknown={"restarts": kind.text},
    )


def leaked(text: str, kind: Planted) -> list[str]:
    """What of it can be read, also where JSON or YAML would have escaped it."""
    readable = text.replace("\\\\", "\\").replace('\\"', '"')
    return [secret for secret in kind.secrets if secret in text or secret in readable]


@pytest.mark.scaled
def test_in_no_form_of_status_and_doctor() -> None:
    leaks = []
    for kind in kinds():
        facts = ill(kind)
        fleet = assess(snapshot(facts, error=kind.text, state="stale"), {}, Policy())
        findings = diagnose_fleet([evidence(facts)])
        texts = {f"status {form}": render(fleet) for form, render in STATUS_FORMATS.items()}
        texts |= {f"doctor {form}": tell(findings) for form, tell in DOCTOR_FORMATS.items()}
        leaks += [(kind.kind, form) for form, text in texts.items() if leaked(text, kind)]
    assert leaks == []


def archived(path: Path) -> list[str]:
    """The files of a bundle."""
    with tarfile.open(path) as archive:
        return [file.read().decode() for each in archive if (file := archive.extractfile(each))]


@pytest.mark.scaled
def test_not_in_a_bundle(tmp_path: Path) -> None:
    leaks = []
    for number, kind in enumerate(kinds()):
        seen = evidence(ill(kind), detail=detail(plan={"work": kind.text}, unknown={"exceptions": kind.text}))
        lines = (f"2026-01-01 00:00:00,000 {level}  x.Y [] - {kind.text}\n" for level in ("WARN", "INFO"))
        path = tmp_path / f"case{number}.tar.gz"
        told = doctor_json(diagnose_fleet([seen]))
        write_bundle(path, [seen], told, {"jobmanager.log": "".join(lines)}, whole_logs=True)
        leaks += [kind.kind for text in archived(path) if leaked(text, kind)]
        assert path.stat().st_mode & 0o077 == 0
    assert leaks == []


@pytest.mark.scaled
def test_not_in_a_recording(tmp_path: Path) -> None:
    leaks = []
    for number, kind in enumerate(kinds()):
        path = tmp_path / f"incident{number}.rec"
        with Recorder(path) as recorder:
            recorder.write(snapshot(healthy_job()))
            recorder.write(snapshot(ill(kind), error=kind.text))
        recording = Recording(path)
        read = msgspec.json.encode(recording.snapshot(1)).decode()
        recording.close()
        leaks += [kind.kind] if leaked(read, kind) else []
        assert path.stat().st_mode & 0o077 == 0
    assert leaks == []


class _Fixed(Collector):
    def __init__(self, facts: JobFacts) -> None:
        fleet = assess(snapshot(facts), {}, Policy())
        self._view = FleetView("0.1.0", "3.11.0", 1, 1, 3, 0, 0, NOW_MS, fleet)

    def collect(self) -> Iterator[object]:  # type: ignore[override]
        yield from families(self._view, Options(vertices=True))


@pytest.mark.scaled
def test_in_no_label_of_the_exporter() -> None:
    leaks = []
    for kind in kinds():
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Fixed(ill(kind)))
        leaks += [kind.kind] if leaked(generate_latest(registry).decode(), kind) else []
    assert leaks == []


def test_neither_in_what_is_printed_nor_said_nor_logged(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MaskedFormatter())
    log = logging.Logger("planted")
    log.addHandler(handler)
    for kind in KINDS:
        say(f"failed: {kind.text}")
        emit([f"failed: {kind.text}"])
        emit_document({"why": kind.text, "steps": [{"error": kind.text}]}, "json")
        emit_document({"why": kind.text}, "yaml")
        log.error("failed: %s", kind.text)
        printed = capsys.readouterr()
        logged = stream.getvalue()
        stream.truncate(0)
        stream.seek(0)
        assert not [text for text in (printed.out, printed.err, logged) if leaked(text, kind)], kind.kind


def test_what_is_printed_stays_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in KINDS:
        emit_document({"why": kind.text, "number": 4}, "json")
        emit_document({"why": kind.text, "number": 4}, "yaml")
        document, also = capsys.readouterr().out.split("\n", 1)
        assert json.loads(document)["number"] == 4
        assert yaml.safe_load(also)["number"] == 4


def test_no_secret_setting_leaves_the_machine(tmp_path: Path) -> None:
    leaks = []
    for number, key in enumerate(SETTING_KEYS):
        facts = healthy_job(configuration={key: SECRET, "my.plain": SECRET}, exceptions=())
        path = tmp_path / f"case{number}.tar.gz"
        write_bundle(path, [evidence(facts)], "{}", {"jm.log": f"1 ERROR cannot go on as {SECRET}"})
        leaks += [key] if SECRET in "".join(archived(path)[:-1]) else []
    assert leaks == []


def test_a_secret_of_the_settings_is_hidden_wherever_else_it_stands(tmp_path: Path) -> None:
    secret = "Tr0ub4dor"
    facts = healthy_job(configuration={"s3.secret-key": secret})
    write_bundle(tmp_path / "case.tar.gz", [evidence(facts)], "{}", {"jm.log": f"1 ERROR {secret}? no"})
    assert not [text for text in archived(tmp_path / "case.tar.gz") if secret in text]
