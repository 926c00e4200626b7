"""Printed commands: whatever a job is called, pasted into a shell they do what they say and nothing else."""

import ast
import os
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devtools.bootstrap import REPOSITORY
from flinkops.diagnose.case import Case
from flinkops.model.facts import JobFacts
from flinkops.outside.shell import shell_command, shell_word
from flinkops.tui.actions.catalog import KINDS, command_of
from flinkops.tui.job_view import selector
from tests.effort import examples
from tests.unit.assessments import job
from tests.unit.doctor_cases import evidence
from tests.unit.doctor_cases import job as facts_of_job

HOSTILE = (
    "$(touch pwned)", "`touch pwned`", "a; touch pwned", "a' ; touch pwned; '", 'a"b', "a\nb", "a\x1b[31mb", "a\u202eb",
    "~", "*", "!!", "a\\", "-rf", "a&b|c>d<e", "#x", "", "é", "日本", "\ttab", "a\rb", "{a,b}", "[x]", "$HOME", "${x}",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shell_gives_back_the_word(name: str) -> None:
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {shell_word(name)}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert printed.stdout.decode() == name


def test_a_byte_that_is_no_text_stays_that_byte() -> None:
    name = os.fsdecode(b"a\xff\xe9.rec")
    printed = subprocess.run(["bash", "-c", f"printf %s {shell_word(name)}"], capture_output=True, check=True)
    assert os.fsdecode(printed.stdout) == name


@settings(max_examples=examples(1))
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20))
def test_any_word(name: str) -> None:
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {shell_word(name)}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert printed.stdout.decode() == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_command_is_one_printable_line(name: str) -> None:
    line = shell_command("flinkops", "status", name)
    assert line.isprintable()
    if name.isprintable():
        assert shlex.split(line) == ["flinkops", "status", name]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_commands_of_screens_and_doctor(name: str) -> None:
    chosen = job(name=name, namespace=None)
    for kind in KINDS:
        words = command_of(kind, chosen, "4" if kind.verb == "rescale" else "", ["--rest", f"http://{name}"])
        assert words.isprintable()
        assert words.startswith(f"flinkops {kind.command} {selector(chosen)}")
    facts: JobFacts = facts_of_job(name=name)
    case = Case(evidence(facts))
    said = case.upgrade_with("key", name).command
    assert said.isprintable()
    if name.isprintable() and not name.startswith("-"):
        assert shlex.split(said)[2] == name
        assert shlex.split(said)[5] == f"key={name}"


VERBS = (
    "action apply autoscale config doctor history record rehearse report rescale restart resume rollback savepoint"
    " status storage suspend timeline upgrade"
)
COMMAND = re.compile(rf"(?:flinkops (?:{VERBS.replace(' ', '|')})|kubectl|chmod \d+|mkdir)\b")
QUOTED = re.compile(r"shell_\w+\(|selector|resume_command\(")


def unquoted() -> Iterator[str]:
    """Values in the text of a command that no function has quoted."""
    for path in (REPOSITORY / "flinkops").rglob("*.py"):
        content = path.read_text("utf-8")
        for function in ast.walk(ast.parse(content)) if COMMAND.search(content) else ():
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            values = [
                (node.lineno, value)
                for node in ast.walk(function)
                if isinstance(node, ast.JoinedStr)
                for value in _values_of_commands(node)
            ]
            if not values:
                continue
            quoted = {
                target.id
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and QUOTED.search(ast.unparse(node.value))
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for line, value in values:
                if value not in quoted and not QUOTED.search(value):
                    yield f"{path.relative_to(REPOSITORY)}:{line}: {value}"


def _values_of_commands(text: ast.JoinedStr) -> Iterator[str]:
    """Of an f-string: the values that follow the beginning of a command."""
    in_command = False
    for part in text.values:
        if isinstance(part, ast.Constant):
            said = str(part.value)
            found = COMMAND.search(said)
            in_command = (found is not None) or (in_command and not re.search(r"[;,.] |: ", said))
        elif in_command and isinstance(part, ast.FormattedValue):
            yield ast.unparse(part.value)


def test_every_value_in_a_printed_command_is_quoted() -> None:
    assert sorted(set(unquoted())) == []
