"""./dev mutation: what is drawn, which tests are run against it, and what is said of it."""

import warnings
from pathlib import Path

import pytest

from devtools.mutation.report import Result, text, wilson

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed: run ./dev once")

from devtools.mutation.covering import Covering
from devtools.mutation.mutants import Mutant, changed_lines, sample
from devtools.mutation.patching import changed_function

SOURCE = '''"""A module."""

LIMIT: int | None = 5


def late(age: float, factor: float = 2.0) -> bool | None:
    """Above the limit."""
    if age < 0 or factor < 0:
        return None
    return age > LIMIT * factor
'''


def _tree(root: Path, source: str) -> Path:
    (root / "code").mkdir(exist_ok=True)
    (root / "code" / "late.py").write_text(source, encoding="utf-8")
    return root


def _changes(root: Path, mutants: list[Mutant]) -> set[tuple[str, ...]]:
    return {tuple(changed_lines((root / each.path).read_text(), each.source(root))) for each in mutants}


def test_each_place_is_drawn_once_and_types_are_none(tmp_path: Path) -> None:
    mutants, places = sample(_tree(tmp_path, SOURCE), ["code"], 100, seed=1)
    # 5; 2.0; the condition, its `or`, two comparisons and their zeros; `>` and `*`.
    assert (len(mutants), places) == (10, 10)
    assert len({mutant.key for mutant in mutants}) == 10
    assert not [change for change in _changes(tmp_path, mutants) if change[0].count(" | ") != change[1].count(" | ")]


def test_a_sample_is_the_same_again_and_after_a_change_elsewhere(tmp_path: Path) -> None:
    before, _ = sample(_tree(tmp_path, SOURCE), ["code"], 5, seed=1)
    changes = _changes(tmp_path, before)
    again, _ = sample(tmp_path, ["code"], 5, seed=1)
    other, _ = sample(tmp_path, ["code"], 5, seed=2)
    assert again == before
    assert _changes(tmp_path, other) != changes
    moved, _ = sample(_tree(tmp_path, f'"""More."""\n\nMORE = ""\n{SOURCE}'), ["code"], 5, seed=1)
    assert _changes(tmp_path, moved) == changes
    assert {mutant.line for mutant in moved} == {mutant.line + 3 for mutant in before}


def test_a_line_of_a_function_has_the_tests_that_run_it(tmp_path: Path) -> None:
    known = Covering(_tree(tmp_path, SOURCE), seconds={"a": 3.0, "b": 1.0, "c": 2.0})
    known.lines["code/late.py"] |= {3: {"imports"}, 8: {"a", "b"}, 9: {"a"}, 10: {"b", "c"}}
    assert known.tests("code/late.py", 8) == ["b", "a"], "the fastest first"
    # The default in the head of the function: all that run any of its lines.
    assert known.tests("code/late.py", 6) == ["b", "c", "a"]
    assert known.tests("code/late.py", 3) == ["b", "c"], "the constant: not who happened to import the module first"


USERS = {
    "code/table.py": "from code.late import LIMIT, late\n\nROWS = (LIMIT,)\n",
    "code/shown.py": "from code import table\n\n\ndef shown() -> str:\n    return str(table.ROWS)\n",
    "code/other.py": "LIMIT = 7\n\n\ndef other() -> int:\n    return LIMIT\n",
    "tests/test_late.py": "from code.late import LIMIT\n\n\ndef test_limit(a):\n    assert LIMIT == 5\n",
}


def test_a_constant_has_the_tests_of_its_users_the_nearest_first(tmp_path: Path) -> None:
    _tree(tmp_path, SOURCE)
    (tmp_path / "tests").mkdir()
    for path, source in USERS.items():
        (tmp_path / path).write_text(source, encoding="utf-8")
    asked = "tests/test_late.py::test_limit[a]"
    known = Covering(tmp_path, seconds={asked: 9.0, "runs": 2.0, "shows": 1.0, "others": 0.1})
    known.lines["code/late.py"] |= {3: {"imports"}, 10: {"runs"}}
    known.lines["code/table.py"] |= {3: {"imports"}}
    known.lines["code/shown.py"] |= {5: {"shows"}}
    known.lines["code/other.py"] |= {5: {"others"}}
    assert known.tests("code/late.py", 3) == [asked, "runs", "shows"]
    assert known.tests("code/table.py", 3) == ["shows"]
    assert known.tests("code/other.py", 1) == ["others"]


CLASS = '''class Waits(Struct, frozen=True):
    """Seconds."""

    seconds: float = 1.0

    @property
    def whole(self) -> int:
        return int(self.seconds)


def made() -> Waits:
    return Waits()
'''


def test_a_field_has_the_tests_that_make_its_class_or_read_it(tmp_path: Path) -> None:
    known = Covering(_tree(tmp_path, CLASS), seconds={"reads": 1.0, "makes": 2.0})
    known.lines["code/late.py"] |= {4: {"imports"}, 8: {"reads"}, 12: {"makes"}}
    assert known.tests("code/late.py", 4) == ["reads", "makes"]
    assert known.tests("code/late.py", 6) == ["reads", "makes"], "the decorator of a method"


@pytest.mark.parametrize(
    ("killed", "total", "low", "high"),
    [(95, 100, 0.888, 0.978), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0, 1)],
)
def test_interval(killed: int, total: int, low: float, high: float) -> None:
    assert wilson(killed, total) == pytest.approx((low, high), abs=0.001)


def test_the_report_has_the_share_and_each_survivor_with_its_reason() -> None:
    def result(line: int, end: str) -> Result:
        change = ("-    a < 1", f"+    a < {line}")
        return Result("flinkops/plan/x.py", line, "core/NumberReplacer", f"k{line}", change, end, "", 3, 7)

    reasons = {("flinkops/plan/x.py", "a < 3"): "a is whole"}
    said = text(
        [result(1, "killed"), result(2, "timeout"), result(3, "survived"), result(4, "survived")], "head", reasons
    )
    assert said.startswith("head\n")
    assert "2 of    4 killed: 50.0 % (95 % interval 15.0 to 85.0)" in said
    assert "survivors: 2, of these 1 with a reason" in said
    assert (
        "flinkops/plan/x.py:3 core/NumberReplacer (3 of 7 covering tests)\n  -    a < 1\n  +    a < 3\n  reason: a"
        in said
    )
    assert "x.py:2" not in said
    assert "mypy --strict does: 1" in text([result(1, "refused")], "head", {})


@pytest.mark.parametrize(
    ("before", "after", "patched"),
    [
        ("return sum(x for x in found)", "return sum(x for x in [])", True),
        ("return len(found)", "return len(found) + 1", True),
        ("return lambda: found", "return lambda: []", False),
        ("def inner(): return found\n    return inner", "def inner(): return []\n    return inner", False),
    ],
)
def test_what_was_made_at_the_import_is_not_patched(before: str, after: str, patched: bool) -> None:
    code = changed_function(f"def outer(found):\n    {before}\n", f"def outer(found):\n    {after}\n", "m.py")
    assert (code is not None) is patched


def test_a_change_at_which_python_warns_is_none(tmp_path: Path) -> None:
    source = 'def f(a: str) -> bool:\n    return a == "x"\n'
    seen = {each.operator for seed in range(40) for each in sample(_tree(tmp_path, source), ["code"], 9, seed=seed)[0]}
    assert "core/ReplaceComparisonOperator_Eq_NotEq" in seen
    assert "core/ReplaceComparisonOperator_Eq_Is" not in seen


def test_the_star_between_parameters_is_none_and_shifts_no_other(tmp_path: Path) -> None:
    source = "def f(a: int, *, b: int) -> int:\n    return a * b\n"
    mutants, _ = sample(_tree(tmp_path, source), ["code"], 9, seed=1)
    (product,) = (each for each in mutants if "BinaryOperator" in each.operator)
    (before, after) = changed_lines(source, product.source(tmp_path))
    assert before == "-    return a * b"
    assert after.startswith("+    return a ")


def test_an_exception_of_a_dotted_name_is_left_alone(tmp_path: Path) -> None:
    source = "try:\n    a()\nexcept b.Error:\n    c()\nexcept KeyError:\n    d()\nexcept (OSError, b.Other):\n    e()\n"
    mutants, _ = sample(_tree(tmp_path, source), ["code"], 100, seed=1)
    assert [each.line for each in mutants if "Exception" in each.operator] == [5]
    assert all(each.source(tmp_path) != source for each in mutants)


def test_a_mutant_at_which_python_warns_is_one() -> None:
    """The tests' own session makes an error of each warning: it ended a whole run."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert changed_function("def f(a):\n    return a == 1\n", "def f(a):\n    return a is 1\n", "m.py") is not None
