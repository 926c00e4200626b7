"""The command line of price-alerts: what it takes, what it refuses, each in one line."""

from pathlib import Path

import pytest

from jobs.price_alerts import job


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "files"], "--source files needs --input"),
        (["--input", "x"], "--input is for --source files"),
        (["--state-ttl", "0s"], "--state-ttl must be above 0"),
        (["--output", "x"], "--output is for --sink files"),
        (["--sink", "files"], "--sink files needs --output DIR or --warehouse DIR"),
        (["--sink", "files", "--output", "x", "--transactional"], "--transactional is for --sink kafka"),
        (["--topic", "a", "--alerts-topic", "a"], "would read its own alerts"),
        (["--subscriptions", "/nowhere"], "cannot read /nowhere"),
        (["--buffer-timeout", "1"], "'1' is no duration"),
        (["--parallelism", "129"], "between 1 and 128"),
    ],
)
def test_refusals_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        job.parse(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err.strip().splitlines()[-1]


def test_defaults_are_the_contract(tmp_path: Path) -> None:
    chosen = job.parse([])
    assert (chosen.source, chosen.topic, chosen.alerts_topic) == ("kafka", "raw-scrapes-in", "price-alerts")
    assert (chosen.state_ttl, chosen.buffer_timeout, chosen.transactional) == (86_400_000, 1, False)
    assert (chosen.start, chosen.parallelism, chosen.name) == ("earliest", None, "price-alerts")  # as the resource says
    chosen = job.parse(["--source", "files", "--input", "x", "--sink", "files", "--warehouse", "/w", "--name", "n"])
    assert chosen.output == "/w/alerts/n"
