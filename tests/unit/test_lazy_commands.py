"""Commands are listed from a table and imported when they are called: the table says what the modules say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from flinkops.cli.lazy import _OnlyOtherTypes
from flinkops.cli.main import build
from tests.effort import some
from tests.unit.command_line import Cli

ALWAYS = {"flinkops.cli", "flinkops.cli.main", "flinkops.cli.lazy", "flinkops.cli.output"}


def lazy_groups(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(group, "loaded"):
        yield path, group
        for name, below in group.loaded().items():
            yield from lazy_groups(below, (*path, name))


GROUPS = dict(lazy_groups(get_command(build())))


@pytest.mark.parametrize(
    "words",
    [
        ("timeline", "prices", "\u202eevil"),
        ("timel\x1b[31mine",),
        ("--x\u202e",),
        ("status", "--x\x1b]0;y\x07"),
        ("savepoint", "list", "a", "b\u202e"),
        ("savepoint", "li\u202est"),
        ("exporter", "--tls-cert", "a", "\x9b2J"),
    ],
)
def test_errors_of_the_parser_repeat_no_escapes(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    ran = Cli(capsys)(*words)
    assert ran.code == 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", ran.out + ran.err)


def test_the_larger_groups_are_lazy_too() -> None:
    assert set(GROUPS) >= {(), ("savepoint",), ("autoscale",)}


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_the_table_says_of_each_command_what_its_module_says(path: tuple[str, ...]) -> None:
    group = GROUPS[path]
    listed = {name: command.help for name, command in group.commands.items()}
    loaded = {name: " ".join((command.help or "").split("\n\n")[0].split()) for name, command in group.loaded().items()}
    assert listed == loaded


def imported(*arguments: str, **environment: str) -> set[str]:
    """Which modules of the command line one call imports."""
    code = (
        "import sys\n"
        "from flinkops.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(*[name for name in sys.modules if name.startswith('flinkops.cli')], file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert ran.stdout
    return set(ran.stderr.split()) - ALWAYS


@pytest.mark.thorough
def test_help_and_completion_of_names_import_no_command() -> None:
    assert imported("--help") == set()
    assert imported("savepoint", "--help") == {"flinkops.cli.savepoint", "flinkops.cli.savepoint.app"}
    words = {"_FLINKOPS_COMPLETE": "complete_bash", "COMP_WORDS": "flinkops s", "COMP_CWORD": "1"}
    assert imported(**words) == set()


def test_a_call_imports_its_command_alone() -> None:
    assert imported("version") == {"flinkops.cli.version"}
    upgrade = imported("upgrade", "--help")
    assert "flinkops.cli.upgrade" in upgrade
    others = {f"flinkops.cli.{name}" for name in ("status", "doctor", "suspend", "autoscale.app", "savepoint.app")}
    assert not upgrade & others


@pytest.mark.thorough
def test_a_call_whose_options_are_text_imports_no_library_for_conversion() -> None:
    code = (
        "import sys\n"
        "from flinkops.cli.main import main\n"
        "try:\n    main(['status', '--once', '--rest', 'http://127.0.0.1:1', '-o', 'json'])\n"
        "finally:\n    print('pydantic' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 3
    assert ran.stdout.endswith("False\n")


class TypeDescriptor(NamedTuple):
    annotation: Any


class Given(NamedTuple):
    """A parameter as typer has it."""

    type_descriptor: TypeDescriptor
    multiple: bool = False
    nargs: int = 1


@pytest.mark.parametrize(
    ("wanted", "several", "value", "got"),
    [
        (str, False, "5", "5"),
        (str, False, None, None),
        (list[str], True, None, ()),
        (list[str], True, ("a", "b"), ["a", "b"]),
        (float, False, None, None),
        (float, False, "5", "converted 5"),
        (Path, False, "a", "converted a"),
        (bool, False, "yes", "converted yes"),
        (list[int], True, ("5",), "converted ('5',)"),
    ],
)
def test_only_values_of_another_type_are_converted(wanted: Any, several: bool, value: Any, got: Any) -> None:
    class Converter:
        def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
            return f"converted {value}"

    parameter = Given(TypeDescriptor(wanted), several)
    assert _OnlyOtherTypes(Converter).coerce(value, param=parameter, ctx=None) == got


@pytest.mark.scaled
@pytest.mark.parametrize(
    ("words", "suggested"),
    some(
        [
            ("flinkops sus", {"suspend"}),
            ("flinkops savepoint l", {"list"}),
            ("flinkops config v", {"view"}),
            ("flinkops upgrade --sav", {"--savepoint"}),
        ],
        2,
    ),
)
def test_completion_knows_names_and_options(words: str, suggested: set[str]) -> None:
    environment = {
        **os.environ,
        "_FLINKOPS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    ran = subprocess.run([sys.executable, "-m", "flinkops"], capture_output=True, text=True, env=environment)
    assert set(ran.stdout.split()) >= suggested


def test_a_mistyped_command_is_answered_with_what_is_like_it() -> None:
    ran = subprocess.run([sys.executable, "-m", "flinkops", "stat"], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "Did you mean 'status', 'restart'?" in ran.stderr
