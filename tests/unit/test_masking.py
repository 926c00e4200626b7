"""Secrets in text: what is hidden, what is not, and that the time grows with the length and no faster."""

import html
import itertools
import json
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkops.outside import masking
from flinkops.outside.masking import DETECTORS, masked_setting, masked_text, spans
from tests.effort import some
from tests.planted import SETTING_KEYS, Planted, every_value, planted

PUMPS = (
    "token", "a", "A1b2", "/", "-", "@", ":", "\\", "\n", " ", ",a", "a,b=", "=", "%3D", "&quot;",
    "value=", '{"value":',
    "password=", '"password":"', '\\"pwd\\":\\"', "pwd=[", "--password\n", "--password ",
    "<password>", "<name>pwd</name>",
    "u:p@", "://", "http://u:p@", "http://a/", "-p ", "-pA1", "eyJ.", "eyJabcdef.", "ghp_", "ghp_A1b2c3d4",
    "/hooks/",
    "login ",
    "x:1:", "-----BEGIN PRIVATE KEY", "END KEY", "Bearer ", "redis-cli ", "$2a$", "cookie: ", "password is ",
    "%25", "%2525", "&amp;amp;", "\\\\\"", "'\"'\"'", "%7B", "\\u0022", 
    "name: pwd\n", "secret {", "password=\"a\\\"", "((", "a.b-c_", "identified by ",
)  # fmt: skip


def growth(pump: str, short: int) -> float:
    """How many times longer a text of ten times the length takes, in processor time, at its best of three."""

    def seconds(length: int) -> float:
        text = (pump * (length // len(pump) + 1))[:length]
        best = float("inf")
        for _ in range(3):
            began = time.thread_time()
            spans(text)
            best = min(best, time.thread_time() - began)
        return best

    return seconds(10 * short) / max(seconds(short), 1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("pump", PUMPS)
def test_ten_times_the_length_takes_at_most_fifteen_times_as_long(pump: str) -> None:
    assert any(growth(pump, 4_000) <= 15 for _ in range(3))


@pytest.mark.thorough
@settings(max_examples=12)
@given(st.lists(st.sampled_from(PUMPS), min_size=2, max_size=4).map("".join))
def test_so_do_mixtures(pump: str) -> None:
    assert growth(pump, 3_000) <= 15 or any(growth(pump, 6_000) <= 15 for _ in range(3))


@given(st.text() | st.lists(st.sampled_from(PUMPS)).map("".join))
def test_spans_are_disjoint_in_order_and_within_the_text(text: str) -> None:
    found = spans(text)
    assert all(0 <= start < end <= len(text) for start, end in found)
    assert all(one[1] < next_one[0] for one, next_one in itertools.pairwise(found))


def test_a_text_without_end_is_cut_before_it_is_masked() -> None:
    assert len(masked_text("a" * (masking.LONGEST + 5_000))) == masking.LONGEST


def test_every_detector_hides_something() -> None:
    texts = {
        "assigned": "password=hunter2",
        "private_keys": "-----BEGIN PRIVATE KEY-----\nabc",
        "tokens": "ghp_A1b2C3d4E5f6G7h8",
        "hooks": "https://hooks.slack.com/services/T0/B0/x",
        "url_logins": "https://me:pw@host/",
        "logins": "scott/tiger@db",
        "random_strings": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYQxTz9KEY",
    }
    assert {each.__name__: bool(list(each(texts[each.__name__]))) for each in DETECTORS} == dict.fromkeys(texts, True)


ORDINARY = (
    "org.apache.flink.runtime.taskexecutor.TaskManagerRunner2.run(TaskManagerRunner.java:411)",
    "Window(TumblingEventTimeWindows(300000), EventTimeTrigger) -> Sink: Writer",
    "s3://bucket/checkpoints/0123456789abcdef0123456789abcdef/chk-42/_metadata",
    "abfss://container@account.dfs.core.windows.net/flink/savepoints",
    "pekko.tcp://flink@10.0.0.1:6123/user/rpc/resourcemanager_*",
    "the password is required",
    "http://jobmanager:8081/jobs/overview",
    "deployment price-aggregation-6d5b8f7c9d-x2x4z is ready",
    "docker.io/flink/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "flink run -p 4 -py job.py -pyarch env.zip",
    "Token manager started",
    "checkpoint 42 expired before completing; 2026-01-01T00:00:00.000Z",
)


def test_ordinary_text_stays() -> None:
    assert [masked_text(text) for text in ORDINARY] == list(ORDINARY)


AROUND = (("", ""), ("java.io.IOException: ", ""), ("2026-01-01 00:00:00,000 WARN  org.x.Y [] - ", " at x.Y"))


def survives(kind: Planted) -> bool:
    shown = [masked_text(before + kind.text + after) for before, after in AROUND]
    return any(secret in text for secret in kind.secrets for text in shown)


def test_no_planted_kind_survives() -> None:
    assert [kind.kind for kind in planted() if survives(kind)] == []


@pytest.mark.scaled
def test_no_planted_kind_survives_whatever_its_value() -> None:
    assert [kind.kind for kind in some(every_value(), 300) if survives(kind)] == []


WRAPPED: dict[str, Callable[[str], str]] = {
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON in JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": json.dumps(text)})}),
    "a shell's word": shlex.quote,
    "HTML": html.escape,
    "Python": repr,
    "URL": quote,
    "all of a URL": lambda text: quote(text, safe=""),
    "YAML": lambda text: "a:\n  b: " + text.replace("\n", "\n  "),
    "brackets": lambda text: f"[{text}]",
    "a call": lambda text: f"failed({text}): no",
    "double quotes": lambda text: f'"{text}"',
    "single quotes": lambda text: f"'{text}'",
    "backticks": lambda text: f"`{text}`",
    "angles": lambda text: f"<{text}>",
    "a clause": lambda text: f"{text}, retrying in 5 s",
    "a sentence": lambda text: f"{text}.",
}


@pytest.mark.scaled
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_no_kind_survives_in_whatever_it_is_wrapped(wrap: Callable[[str], str]) -> None:
    shown = {kind: unquote(masked_text(wrap(kind.text))) for kind in some(planted(), 60)}
    assert [kind.kind for kind, text in shown.items() if any(secret in text for secret in kind.secrets)] == []


@given(st.text() | st.lists(st.sampled_from(PUMPS)).map("".join))
def test_masking_twice_hides_no_less(text: str) -> None:
    assert all(word in masked_text(text) for word in masked_text(masked_text(text)).split("******"))


def test_there_are_two_hundred_kinds() -> None:
    assert len({kind.kind for kind in planted()} | set(SETTING_KEYS)) >= 200


def test_secret_settings() -> None:
    assert [key for key in SETTING_KEYS if masked_setting(key, "correcthorse") != "******"] == []


def test_other_settings_are_shown() -> None:
    shown = ("dedupe.key", "table.primary-key", "state.backend", "bypass.watermark", "compass.width", "key.fields")
    assert [key for key in shown if masked_setting(key, "sku") != "sku"] == []
