"""The field's own words (docs/glossary.md): what this project once called otherwise stays out of names and texts."""

import functools
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
RECORDED = ("CHANGELOG.md", "docs/evidence/", "tests/unit/old_journals/", "tests/unit/doctor_samples/")
"""What happened, in the words of its time."""
HERE = Path(__file__).relative_to(REPOSITORY).as_posix()
OTHERWISE = {
    "rollback": r"\bway\s+back\b|take(?:s|n)? back",
    "lost its state, restarted empty": r"forgot\s+its|beg[aiu]ns?\s+anew",
    "request": r"wis[h]\b",
    "poll, snapshot": r"\b(?:a|one|each|every|last|first|second|earlier|next|newest) looks?\b(?! (?:at|for)\b)",
    "poll, snapshot (in names)": r"\b(?!_?look_up|where_to_look|only_looks|looks?_(?:for|like))"
    r"(?:\w+_looks?|looks?_\w+|_looks?|Looks?(?=[(\[])|looks?(?= = |\())\b",
    "resume, continue": r"\b(?:goes|gone|went|go)\s+on\s+with\b(?!out)",
}


STEMS = {
    "rollback": ("back",),
    "lost its state, restarted empty": ("forgot", "anew"),
    "request": ("wis",),
    "poll, snapshot": ("look",),
    "poll, snapshot (in names)": ("look",),
    "resume, continue": ("on with",),
}
"""What stands in all that a pattern matches: whole files take the patterns twenty times as long."""


def matches(term: str, text: str, lowered: str) -> set[tuple[int, str]]:
    """Where the text says it otherwise, and how."""
    pattern = re.compile(OTHERWISE[term], re.IGNORECASE)
    return {
        (match.start(), match[0])
        for stem in STEMS[term]
        for place in re.finditer(stem, lowered)
        for match in pattern.finditer(text, max(0, place.start() - 60), place.end() + 60)
    }


@functools.cache
def texts() -> list[tuple[str, str, str]]:
    """Every text file of the repository that says what it is now: its path, the text, and that in small letters."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git work tree: nothing says which files are ours")
    paths = [path for path in listed.stdout.split("\0") if path and not path.startswith((*RECORDED, HERE))]
    kept = [path for path in paths if Path(path).suffix in (".py", ".md", ".yaml", ".toml", ".tcss", ".txt")]
    found = ((path, (REPOSITORY / path).read_text(encoding="utf-8")) for path in kept if (REPOSITORY / path).exists())
    return [(path, text, text.lower()) for path, text in found]


@pytest.mark.parametrize("term", OTHERWISE)
def test_the_term_of_the_glossary_is_used(term: str) -> None:
    found = [
        f"{path}:{text.count(chr(10), 0, start) + 1}: {words!r}"
        for path, text, lowered in texts()
        for start, words in sorted(matches(term, text, lowered))
    ]
    assert not found, f"say {term}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("rollback", "a Way\n  back, and it takes back"),
        ("lost its state, restarted empty", "It forgot  its state and began\nanew"),
        ("request", "the wish of a Wish"),
        ("poll, snapshot", "at each look and the Last looks of"),
        ("poll, snapshot (in names)", "first_look = looks_at and Look(1)"),
        ("resume, continue", "goes on\nwith it, gone on with that"),
    ],
)
def test_what_was_once_called_otherwise_is_found(term: str, text: str) -> None:
    assert len(matches(term, text, text.lower())) == len(re.findall(OTHERWISE[term], text, re.IGNORECASE)) >= 2


def test_the_glossary_has_a_source_for_each_term() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| term ")
    ]
    assert len(rows) > 80
    for term, meaning, source in rows:
        assert meaning
        assert source.startswith(("FD ", "OD ", "K8S ", "PROM ", "MIX ", "SRE ", "flinkops")), (term, source)
        for module in re.findall(r"flinkops, `([a-z_/]+\.py)`", source):
            assert (REPOSITORY / "flinkops" / module).exists(), (term, module)
    terms = [term for term, *_ in rows]
    assert len(terms) == len(set(terms))
