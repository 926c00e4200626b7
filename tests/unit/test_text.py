"""Hostile text made safe, and cut by the cells it takes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flinkops.render.text import clean, clock_time, pad, truncate, width


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        ("plain-job", "plain-job"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x1bc reset", " reset"),
        ("line\r\nbreak\ttab", "line break tab"),
        ("abc\u202edef\u2066\u200b", "abcdef"),
        ("a\x00b\x07c\x08d\x7fe", "abcde"),
        ("价格-聚合", "价格-聚合"),
        ("שלום", "שלום"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("é 👍🏽", "é 👍🏽"),
    ],
)
def test_clean(hostile: str, safe: str) -> None:
    assert clean(hostile) == safe


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    for char in clean(text):
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        assert char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(), st.integers(0, 40))
def test_cut_text_fits(text: str, cells: int) -> None:
    cut = truncate(clean(text), cells)
    assert cell_len(cut) <= cells
    assert cell_len(pad(cut, cells)) >= cell_len(cut)


@pytest.mark.parametrize(
    ("text", "cells", "cut"),
    [("价格聚合", 8, "价格聚合"), ("价格聚合", 7, "价格聚…"), ("价格聚合", 6, "价格…"), ("abc", 0, "")],
)
def test_wide_characters_take_two_cells(text: str, cells: int, cut: str) -> None:
    assert truncate(text, cells) == cut


def test_padding_counts_cells() -> None:
    assert width("价格") == 4
    assert pad("价格", 6) == "价格  "
    assert pad("x", 3, right=True) == "  x"


def test_the_date_is_shown_unless_it_is_today() -> None:
    assert clock_time(None, 0) == "?"
    assert clock_time(2**63 - 1, 0) == "?"
