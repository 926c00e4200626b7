"""The end of a log that goes into an error: one line, of what matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.local.logs import telling_end

NOISE = "INFO started\n" * 20


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it said nothing"),
        ("Error occurred during initialization of VM\nToo small maximum heap\n", None),
        (f"java.io.IOException: No space left on device\n{NOISE}", "java.io.IOException: No space left on device"),
        (f"{NOISE}INFO bye", "INFO started | INFO bye"),
    ],
)
def test_what_it_says(log: str, told: str | None) -> None:
    assert telling_end(log) == (told or " | ".join(log.splitlines()))


@given(st.text())
def test_it_is_one_printable_short_line(log: str) -> None:
    end = telling_end(log)
    assert end.isprintable()
    assert 0 < len(end) <= 400
