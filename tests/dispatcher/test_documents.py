"""What the dispatcher is given in words: alerts, subscriptions, its command line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import UsageError
from jobs.price_alerts.dispatcher.alert import Malformed, Record, read_alert
from jobs.price_alerts.dispatcher.options import parse
from jobs.price_alerts.dispatcher.subscriptions import Filter, Subscription, read_file, sort_out
from tests.dispatcher.alerts import SECRET, encoded


@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_bytes_are_mistaken_for_an_alert(value: bytes) -> None:
    with pytest.raises(Malformed):
        read_alert(Record(0, 0, 0, value))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alert_id", "A" * 64),
        ("alert_id", "a" * 63),
        ("sku", ""),
        ("sku", None),
        ("scraped_at", "yesterday"),
        ("scraped_at", 2**70),
        ("kind", "gift"),
        ("change_ratio", "much"),
        ("retailer", "x" * 2000),
    ],
)
def test_an_alert_with_a_wrong_field_is_none(field: str, value: object) -> None:
    with pytest.raises(Malformed):
        read_alert(Record(0, 0, 0, json.dumps(json.loads(encoded(1)) | {field: value}).encode()))


def test_half_a_surrogate_pair_is_a_name_like_any_other() -> None:
    value = encoded(1, sku="half \ud83d", retailer="\udc00")
    alert = read_alert(Record(0, 0, 0, value))
    assert (alert.sku, alert.retailer, alert.body) == ("half \ud83d", "\udc00", value)
    with pytest.raises(Malformed):
        read_alert(Record(0, 0, 0, value[:-1]))


def test_the_change_comes_from_the_prices_where_it_is_not_given() -> None:
    alert = read_alert(Record(0, 0, 0, encoded(change_ratio=None, old_price="10.00", new_price="9.00")))
    assert alert.change_ratio == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "http://a.example"}, "https"),
        ({"url": "https://u:p@a.example"}, "user"),
        ({"url": "ftp://a"}, "https"),
        ({"url": "https://"}, "host"),
        ({"url": "https://a:99999"}, "none"),
        ({"secret": "short"}, "secret"),
        ({"client": "a\r\nb"}, "client"),
        ({"concurrency": 0}, "concurrency"),
        ({"url": "https://a\tb"}, "host"),
        ({"filters": (Filter(sku="*" * 300),)}, "pattern"),
        ({"filters": (Filter(),) * 1001}, "filters"),
        ({"filters": tuple(Filter(sku="*" + "a" * 250 + str(number)) for number in range(100))}, "characters"),
        ({"filters": tuple(Filter(retailer=f"{number}[ab]") for number in range(300))}, "brackets"),
        ({"secret": "x" * 2000}, "secret"),
        ({"url": "https://a.example/" + "x" * 2048}, "longer"),
    ],
)
def test_a_subscription_that_cannot_be_served_is_named(fields: dict[str, object], problem: str) -> None:
    given = {"client": "a", "url": "https://a.example/hook", "secret": SECRET} | fields
    good, (bad,) = sort_out([Subscription(**given)], allow_http=False)  # type: ignore[arg-type]
    assert good == {}
    assert problem in bad.problem


def test_a_thousand_names_and_beginnings_are_no_problem() -> None:
    filters = tuple(Filter(sku="s" * 250 + str(number), retailer="r" * 250 + f"{number}*") for number in range(1000))
    assert (
        Subscription(client="a", url="https://a.example", secret=SECRET, filters=filters).problem(allow_http=False)
        is None
    )


def test_a_file_of_subscriptions_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "subscriptions.json"
    with pytest.raises(UsageError, match="cannot read"):
        read_file(file)
    for text in ("", "{}", "[{", "[" * 100_000, "\x00"):
        file.write_text(text)
        with pytest.raises(UsageError, match="cannot be used"):
            read_file(file)


def test_an_item_that_is_no_subscription_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "subscriptions.json"
    good = {"client": "a", "url": "https://a.example", "secret": SECRET}
    bad = [good | {"client": "b", "secret": 1}, 7, None, good | {"client": "c", "gift": True}, {"client": "\n" * 999}]
    file.write_text(json.dumps([*bad, good]))
    usable, rejected = read_file(file)
    assert [each.client for each in usable] == ["a"]
    assert [each.client for each in rejected] == ["b", "number 2 of the file", "number 3 of the file", "c", "\n" * 128]
    assert "secret" in rejected[0].problem
    assert all(each.problem.isprintable() for each in rejected)


def test_no_repr_shows_a_secret() -> None:
    secret = "correct-horse-battery-staple"
    subscription = Subscription(client="a", url=f"https://a.example/{secret}", secret=secret)
    assert repr(subscription) == "Subscription(client='a', host='a.example', filters=1)"
    options = parse(
        ["--bootstrap", "b:1", "--subscriptions", "f", "--state", "s", "--kafka", f"sasl.password={secret}"]
    )
    assert options.kafka["sasl.password"] == secret
    for each in (subscription, [subscription], {"a": subscription}, options):
        assert secret not in repr(each) + str(each) + f"{each}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--shard", "2/2"],
        ["--listen", "9251"],
        ["--listen", "h:70000"],
        ["--listen", "h:\u0663"],
        ["--kafka", "x"],
        ["--kafka", "=x"],
        ["--shard", "x"],
    ],
)
def test_a_command_line_without_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(["--bootstrap", "b:1", "--subscriptions", "f", "--state", "s", *arguments])
