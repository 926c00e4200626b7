"""The faces beside status and doctor: timeline, --why-not, rehearse, savepoint show; planted secrets, hostile names."""

from collections.abc import Callable

import pytest

from flinkops.act.rehearsal_document import rehearsal_document
from flinkops.act.savepoint_content import OperatorContent, SavepointContent, StateContent
from flinkops.cli.output import emit, emit_document, emit_text
from flinkops.cli.savepoint import show
from flinkops.model.findings import Answer, Condition
from flinkops.model.rehearsal import Rehearsal, RehearsedOperator, RehearsedState
from flinkops.model.timeline import Entry, NotCovered, Timeline
from flinkops.render.doctor import answers_document, answers_text
from flinkops.render.rehearsal import rehearsal_lines
from flinkops.render.timeline import timeline_csv, timeline_document, timeline_lines
from tests.chaos.invariants import _CONTROL
from tests.effort import is_thorough, some
from tests.planted import planted
from tests.unit.builders import NOW_MS
from tests.unit.test_faces_mask import leaked

KINDS = planted()
HOSTILE = (
    "esc\x1b[31mred\x1b]52;c;eA==\x07",
    "over\u202eride",
    "[bold]x[/] {0.__class__} %n",
    "two\nlines\r\n",
    "a" * (100_000 if is_thorough() else 5_000),
    "token" * 1_000,
    "password=" * 600,
    "💥" * 2_000,
    "'; touch pwned #$(id)`id`",
)


def timeline(text: str) -> Timeline:
    entries = [Entry(NOW_MS, text, text, text, "event", text, "flink")]
    return Timeline(NOW_MS - 1_000, NOW_MS, tuple(entries), (NotCovered("flink", text),))


def answers(text: str) -> list[tuple[str, Answer]]:
    return [
        (text, Answer("key-skew", "not-assessed", text, (Condition(text, met=False), Condition(text, True, 1, ">", 2))))
    ]


def rehearsal(text: str) -> Rehearsal:
    state = RehearsedState("1", text, "keyed", "incompatible", text, text, 1, 1, text)
    return Rehearsal(
        text, "fails", text, text, text, 1.0, 1.0, (text,), (text,), (text,),
        (RehearsedOperator("1", text, "restored", 1),), (state,),
    )  # fmt: skip


def content(text: str) -> SavepointContent:
    states = (StateContent(text, True, text, text, 1),)
    operator = OperatorContent("1", text, text, 1, 128, 5, (5,), (text,), text, states, text, ())
    return SavepointContent(text, text, 1, 4, text, NOW_MS, 5, (operator,))


FACES: dict[str, Callable[[str], None]] = {
    "timeline json": lambda text: emit_document(timeline_document(timeline(text)), "json"),
    "timeline yaml": lambda text: emit_document(timeline_document(timeline(text)), "yaml"),
    "timeline csv": lambda text: emit_text(timeline_csv(timeline(text))),
    "timeline": lambda text: emit(timeline_lines(timeline(text))),
    "why-not json": lambda text: emit_document(answers_document(answers(text)), "json"),
    "why-not": lambda text: emit_text(answers_text(answers(text))),
    "rehearse json": lambda text: emit_document(rehearsal_document(rehearsal(text)), "json"),
    "rehearse": lambda text: emit(rehearsal_lines(rehearsal(text))),
    "savepoint show json": lambda text: emit_document(show._document(content(text)), "json"),
    "savepoint show": lambda text: emit(show._lines(content(text), NOW_MS)),
}


@pytest.mark.scaled
@pytest.mark.parametrize("face", FACES)
def test_no_planted_secret_survives(face: str, capsys: pytest.CaptureFixture[str]) -> None:
    leaks = []
    for kind in some(KINDS, 50):
        FACES[face](kind.text)
        if found := leaked(capsys.readouterr().out, kind):
            leaks.append((kind.kind, found))
    assert leaks == []


@pytest.mark.scaled
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("text", some(HOSTILE, 4))
def test_hostile_names_are_harmless(face: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    FACES[face](text)
    assert _CONTROL.search(capsys.readouterr().out) is None
