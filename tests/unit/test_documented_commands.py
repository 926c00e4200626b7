"""Every command that the documentation shows is one of ours, with the options that it is shown with."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from flinkops.cli.main import build

REPOSITORY = Path(__file__).parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
NO_COMMANDS = {"flinkops recording 1"}
"""Begins like one: the first line of a recording."""
ALWAYS = {"-h", "--help", "--install-completion", "--show-completion"}


@cache
def root() -> Any:
    return get_command(build())


@cache
def below(command: Any) -> dict[str, Any]:
    """Its commands, imported and made once; none of one that is no group."""
    found: dict[str, Any] = command.loaded() if hasattr(command, "loaded") else getattr(command, "commands", {})
    return found


def shown(page: str) -> Iterator[str]:
    """In the lines of blocks, without what is explained behind them, and between backquotes."""
    yield from re.findall(r"`(flinkops [^`\n]+)`", page)
    for block in re.findall(r"```[a-z]*\n(.*?)```", page, re.DOTALL):
        for text in block.splitlines():
            parts = re.split(r"\s+#\s", text)[0].removeprefix("$ ").split(";")
            yield from (part.strip() for part in parts if part.strip().startswith("flinkops "))


def words_of(text: str) -> list[str]:
    """As a shell splits them; an apostrophe of a sentence opens nothing."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def problems(shown_command: str) -> Iterator[str]:
    """What of it there is not. `a|b` stands for either, square brackets for what may be left out."""
    command, words = root(), words_of(shown_command)[1:]
    words = words[: words.index("|")] if "|" in words else words
    while below(command) and words and not words[0].startswith("-"):
        names = words.pop(0).split("|")
        yield from (name for name in names if name.isidentifier() and name not in below(command))
        if names[0] not in below(command):
            return
        command = below(command)[names[0]]
    known = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)} | ALWAYS
    for word in (part.strip("[].,").split("=")[0] for one in words for part in one.split("|")):
        if re.match(r"--?[A-Za-z]", word) and word not in known and word[:2] not in known:
            yield word


def test_pages_show_commands() -> None:
    assert sum(len(list(shown(page.read_text("utf-8")))) for page in PAGES) > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_what_a_page_shows_is_there(page: Path) -> None:
    commands = set(shown(page.read_text("utf-8"))) - NO_COMMANDS
    assert [(one, missing) for one in sorted(commands) for missing in problems(one)] == []


@pytest.mark.parametrize(
    ("written", "missing"),
    [
        ("flinkops nothing", ["nothing"]),
        ("flinkops savepoint create|nothing JOB", ["nothing"]),
        ("flinkops status orders --nothing=1", ["--nothing"]),
        ("flinkops status orders [--once]", []),
        ("flinkops upgrade JOB --savepoint -p 2 | cat --nothing", []),
    ],
)
def test_what_is_not_there_is_seen(written: str, missing: list[str]) -> None:
    assert list(problems(written)) == missing
