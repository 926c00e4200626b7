"""Nothing is decided on words: with every human sentence in another language, the same is decided.

Order of findings, health, predictions of the operator, plans and outcomes of actions.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.translation.translating import Translator, is_sentence

ROOT = Path(__file__).parents[2]
FEWEST_SENTENCES = 1_000
DECIDING = ("flinkops.assess.lifecycle", "flinkops.diagnose.rules.checkpoint_timeout", "flinkops.plan.operator.predict",
            "flinkops.act.rest.steps", "flinkops.errors")  # fmt: skip


def decisions(*arguments: str) -> dict[str, Any]:
    """In a process of its own: what is imported stays as it is."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.translation.decisions", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    return decisions(), decisions("translated")


@pytest.mark.thorough
def test_the_same_is_decided_in_another_language(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    english, other = both
    assert len(english["decided"]) >= 130
    differing = [name for name, decided in english["decided"].items() if other["decided"][name] != decided]
    assert differing == []


@pytest.mark.thorough
def test_it_was_another_language(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    english, other = both
    pairs = [
        (one, two)
        for name, words in english["words"].items()
        for one, two in zip(words, other["words"][name], strict=True)
        if is_sentence(one)
    ]
    assert len(pairs) > 100
    assert [one for one, two in pairs if one == two] == []
    assert sum(other["modules"].values()) >= FEWEST_SENTENCES
    assert [name for name in DECIDING if not other["modules"].get(name)] == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("the job is FAILED", True),
        ("checkpoints unknown: no answer", True),
        ("job-failed", False),
        ("flinkops status orders", False),
        ("30 s", False),
        ("RUNNING", False),
        ("table.exec.state.ttl", False),
    ],
)
def test_what_a_sentence_is(text: str, sentence: bool) -> None:
    assert is_sentence(text) is sentence


def test_patterns_and_docstrings_stay() -> None:
    import ast

    module = ast.parse(
        '"""Doc string here."""\nP = re.compile("Java heap space")\nW = f"waits for {x} now"\nT = "a b c"'
    )
    translator = Translator()
    told = ast.unparse(ast.fix_missing_locations(translator.visit(module)))
    assert "Doc string here" in told
    assert "Java heap space" in told
    assert "jnvgf sbe {x} abj" in told
