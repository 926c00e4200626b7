"""Numbers as people read and write them."""

import pytest

from flinkops.model.quantities import (
    human_bytes,
    human_count,
    human_rate,
    human_ratio,
    human_seconds,
    parse_bytes,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("1.5s", 1.5),
        ("90 s", 90),
        ("5m", 300),
        ("2 min", 120),
        ("1h", 3600),
        ("2d", 172_800),
        (7, 7),
        ("7", 7),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 weeks", "-1s", None, True, "1e400d", [], "1s2", "9" * 400])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not|negative"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4e9), ("4 gib", 4 * 2**30), ("1.5MB", 1.5e6), (10, 10), ("10B", 10)]
)
def test_sizes(text: object, size: float) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (float("nan"), "?"), (float("inf"), "?"), (0, "0 ms"), (0.0004, "0.4 ms"), (0.412, "412 ms"),
     (0.9996, "1.0 s"), (1.4, "1.4 s"), (59.99, "1m"), (75, "1m 15s"), (3600, "1h"), (3661, "1h 1m"), (90_000, "1d 1h"),
     (-8.9, "-8.9 s")],
)  # fmt: skip
def test_human_seconds(value: float | None, text: str) -> None:
    assert human_seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (999.7, "1.0 kB"), (4_200_000_000, "4.2 GB"), (123_456_789, "123 MB"),
     (10**18, "1000 PB"), (-2_000_000, "-2.0 MB")],
)  # fmt: skip
def test_human_bytes(value: float | None, text: str) -> None:
    assert human_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0, "0"),
        (5, "5"),
        (12.3, "12.3"),
        (0.25, "0.25"),
        (12_400, "12,400"),
        (2_300_000, "2.3M"),
        (5e9, "5.0G"),
    ],
)
def test_human_count_and_rate(value: float | None, text: str) -> None:
    assert human_count(value) == text
    assert human_rate(value) == (text if value is None else f"{text}/s")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "?"), (0, "0%"), (1, "100%"), (0.934, "93%"), (0.0004, "0.04%"), (0.05, "5%")]
)
def test_human_ratio(value: float | None, text: str) -> None:
    assert human_ratio(value) == text
