"""The dispatcher's parts, each alone."""

import fnmatch
import ipaddress
import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import OperationFailed, Refused, UsageError
from jobs.price_alerts.dispatcher.addresses import METADATA, AddressRefused, Guard, effective
from jobs.price_alerts.dispatcher.alert import Malformed, Record, read_alert
from jobs.price_alerts.dispatcher.backoff import backoff_seconds, retry_after_seconds
from jobs.price_alerts.dispatcher.lanes import TROUBLE_AFTER, Lanes
from jobs.price_alerts.dispatcher.matching import Matcher
from jobs.price_alerts.dispatcher.measures import LastMinute
from jobs.price_alerts.dispatcher.options import parse
from jobs.price_alerts.dispatcher.progress import Progress
from jobs.price_alerts.dispatcher.sending import judge
from jobs.price_alerts.dispatcher.store import Store
from jobs.price_alerts.dispatcher.subscriptions import Filter, Subscription, read_file, sort_out
from tests.dispatcher.alerts import SECRET, encoded

# Matching ------------------------------------------------------------------------------------------------------------

PATTERNS = st.text("AB1*?[]!-", max_size=5)
FILTERS = st.builds(
    Filter,
    sku=PATTERNS,
    retailer=PATTERNS,
    direction=st.sampled_from(["any", "up", "down"]),
    min_change_ratio=st.sampled_from([0.0, 0.1, 0.5]),
)


@given(
    st.lists(st.lists(FILTERS, max_size=3), max_size=8),
    st.lists(st.tuples(st.text("AB1-", min_size=1, max_size=4), st.text("AB1", max_size=3), st.integers(-9, 9))),
)
def test_the_index_finds_what_asking_everybody_finds(
    filters: list[list[Filter]], asked: list[tuple[str, str, int]]
) -> None:
    clients = [
        Subscription(client=f"c{number}", url="https://a.example", secret=SECRET, filters=tuple(each))
        for number, each in enumerate(filters)
    ]
    matcher = Matcher(clients)
    for sku, retailer, change in asked * 2:  # the second time from what it remembers
        alert = read_alert(Record(0, 0, 0, encoded(change, sku, retailer=retailer)))
        wanted = {
            client.client
            for client in clients
            for each in client.filters
            if fnmatch.fnmatchcase(sku, each.sku)
            and fnmatch.fnmatchcase(retailer, each.retailer)
            and (each.direction == "any" or (change > 0) - (change < 0) == {"up": 1, "down": -1}[each.direction])
            and abs(change / 10) >= each.min_change_ratio
        }
        found = matcher.clients(alert)
        assert set(found) == wanted
        assert len(found) == len(wanted)


def test_availability_has_no_direction() -> None:
    alert = read_alert(Record(0, 0, 0, encoded(0, kind="availability", change_ratio=None)))
    assert Filter(direction="up", min_change_ratio=0.5).wants(alert)
    assert not Filter(kinds=("price",)).wants(alert)


# Order ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    sku: str
    number: int


class Flow:
    """Lanes, and what has to be true of them after every step."""

    def __init__(self, concurrency: int) -> None:
        self.lanes: Lanes[Item] = Lanes(concurrency)
        self.flying: list[Item] = []
        self.unconfirmed = 0
        self.settled: dict[str, list[int]] = defaultdict(list)
        self.added: dict[str, int] = defaultdict(int)
        self.now = 0.0

    def add(self, sku: str) -> None:
        self.lanes.add(Item(sku, self.added[sku]))
        self.added[sku] += 1

    def take(self) -> bool:
        taken = self.lanes.take(self.now)
        if taken is not None:
            assert taken.sku not in {each.sku for each in self.flying}
            assert taken.number == len(self.settled[taken.sku])
            self.flying.append(taken)
        return taken is not None

    def settle(self, item: Item) -> None:
        self.flying.remove(item)
        self.lanes.settle(item, well=True)
        self.settled[item.sku].append(item.number)
        self.unconfirmed += 1

    def fail(self, item: Item, *, hold: bool) -> None:
        self.flying.remove(item)
        self.lanes.put_back(item, self.now, 1.5, hold_client=hold)

    def confirm(self) -> None:
        if self.unconfirmed:
            self.lanes.confirm()
            self.unconfirmed -= 1

    def check(self) -> None:
        assert self.lanes.in_flight == len(self.flying) <= self.lanes.concurrency
        assert self.lanes.unconfirmed == self.unconfirmed
        assert len(self.flying) + self.unconfirmed < 2 * self.lanes.concurrency
        assert len(self.lanes) == sum(self.added.values()) - sum(map(len, self.settled.values()))


@given(st.data(), st.integers(1, 4))
def test_lanes_keep_the_order_of_a_sku_and_their_bounds(data: st.DataObject, concurrency: int) -> None:
    flow = Flow(concurrency)
    steps = st.sampled_from(["add", "take", "settle", "fail", "hold", "wait", "confirm"])
    for step in data.draw(st.lists(steps, max_size=60)):
        if step == "add":
            flow.add(data.draw(st.sampled_from("ABCDEFGH")))
        elif step == "take":
            flow.take()
        elif step == "confirm":
            flow.confirm()
        elif step == "wait":
            flow.now += 1.0
        elif flow.flying:
            item = data.draw(st.sampled_from(flow.flying))
            if step == "settle":
                flow.settle(item)
            else:
                flow.fail(item, hold=step == "hold")
        flow.check()
    finish(flow)


def finish(flow: Flow) -> None:
    """Whatever happened, all get their turn when the time comes."""
    while len(flow.lanes):
        while flow.unconfirmed:
            flow.confirm()
        if not flow.take() and not flow.flying:
            due = flow.lanes.next_due(flow.now)
            assert due is not None
            assert due >= flow.now
            flow.now = due
        for item in list(flow.flying):
            flow.settle(item)
        flow.check()
    assert all(numbers == list(range(flow.added[sku])) for sku, numbers in flow.settled.items())


def test_an_unwell_client_is_only_probed_until_it_answers() -> None:
    lanes: Lanes[Item] = Lanes(8)
    for number in range(TROUBLE_AFTER + 4):
        lanes.add(Item(str(number), 0))
    flying = [item for _ in range(TROUBLE_AFTER) if (item := lanes.take(0.0)) is not None]
    for item in flying:
        lanes.put_back(item, 0.0, 2.0)
    assert lanes.unwell
    assert lanes.take(1.9) is None
    assert lanes.next_due(1.9) == 2.0
    probe = lanes.take(2.0)
    assert probe is not None
    assert lanes.take(2.0) is None
    lanes.settle(probe, well=True)
    lanes.confirm()
    assert len([1 for _ in range(8) if lanes.take(2.0)]) == 8


@given(st.lists(st.integers(0, 3), max_size=30), st.randoms())
def test_nothing_is_committed_before_what_stands_before_it(opened: list[int], chance: object) -> None:
    progress = Progress(100)
    entries = []
    for offset, count in enumerate(opened, start=100):
        entry = progress.read(offset)
        entry.open = count
        entries.append(entry)
    left = [entry for entry in entries for _ in range(entry.open)]
    chance.shuffle(left)  # type: ignore[attr-defined]
    for entry in left:
        entry.open -= 1
        first_open = next((each.offset for each in entries if each.open), 100 + len(opened))
        assert progress.settled() == first_open
    assert progress.settled() == 100 + len(opened)
    assert len(progress) == 0


# Answers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (301, "final"),
        (307, "final"),
        (400, "final"),
        (404, "final"),
        (408, "retry"),
        (410, "final"),
        (425, "retry"),
        (429, "retry"),
        (500, "retry"),
        (503, "retry"),
    ],
)
def test_what_an_answer_means(status: int, kind: str) -> None:
    assert judge(status, None).kind == kind


@given(st.integers(1, 2000), st.floats(0, 1))
def test_backoff_grows_to_its_limit(failures: int, chance: float) -> None:
    wait = backoff_seconds(failures, chance, first_seconds=0.5, longest_seconds=60.0)
    whole = 60.0 if failures > 7 else 0.5 * 2 ** (failures - 1)
    assert whole / 2 <= wait <= whole


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 0 ", 0.0),
        ("-1", None),
        ("soon", None),
        ("99999999999", 3600.0),
        ("٣", None),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, 10_000) == seconds


# Addresses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "198.18.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:db8::1",
        "ff02::1",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "192.80.8.124",
        "::ffff:168.63.129.16",
        "64:ff9b::a83f:8110",
        "192.88.99.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "161.26.0.10",
        "166.9.1.1",
        "239.255.255.250",
        "fec0::1",
        "fd20:ce::254",
        "::10.0.0.1",
        "::93.184.216.34",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:1::1",
        "2001:2::1",
        "2001:20::1",
        "2002:5db8:d822::1",
        "2002:a9fe:a9fe::",
        "2620:4f:8000::1",
        "3ffe::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "2606:2800:220:1:0:5efe:10.0.0.1",
        "2606:2800:220:1:200:5efe:169.254.169.254",
        "0x7f.1",
        "127.1",
        "017700000001",
        "localhost",
        "2130706433",
        "",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not Guard().permits(address)
    with pytest.raises(AddressRefused):
        Guard().socket((2, 1, 6, "", (address, 80)))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "2606:2800:220:1::1",
        "2a00:1450:4001:80b::200e",
        "2606:2800:220:1:0:5efe:93.184.216.34",
        "::ffff:93.184.216.34",
        "64:ff9b::5db8:d822",
        "192.0.1.1",
        "223.255.255.255",
        "168.63.129.17",
        "2001:200::1",
    ],
)
def test_public_addresses_are_permitted(address: str) -> None:
    assert Guard().permits(address)


def test_an_allowed_network_is_permitted_in_both_its_forms() -> None:
    guard = Guard([ipaddress.ip_network("10.1.0.0/16")])
    assert guard.permits("10.1.2.3")
    assert guard.permits("::ffff:10.1.2.3")
    assert not guard.permits("10.2.0.1")


EVERYTHING = [ipaddress.ip_network(each) for each in ("0.0.0.0/0", "::/0")]


def test_the_metadata_of_a_cloud_are_allowed_by_nothing() -> None:
    guard = Guard(EVERYTHING)
    for address in METADATA:
        spellings = [str(address)]
        if isinstance(address, ipaddress.IPv4Address):
            high, low = divmod(int(address), 1 << 16)
            spellings += [
                f"::ffff:{address}",
                f"::{address}",
                f"64:ff9b::{address}",
                f"2002:{high:x}:{low:x}::1",
                f"2606:2800:220:1:0:5efe:{address}",
                f"2001:0:5db8:d822:0:0:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
            ]
        for spelling in spellings:
            assert not Guard().permits(spelling), spelling
            assert not guard.permits(spelling), spelling
    for other in ("10.0.0.1", "169.254.1.1", "2002:a00:1::1", "fd00::1"):
        assert guard.permits(other)


@given(st.ip_addresses())
def test_what_python_calls_special_is_never_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Of the few exceptions that IANA's registries call globally reachable none is a receiver's."""
    inner = effective(address)
    if inner.is_private or inner.is_multicast or inner.is_reserved or inner.is_link_local or not inner.is_global:
        assert not Guard().permits(str(address))
    elif Guard().permits(str(address)):
        assert inner.is_global


def test_an_option_that_allows_a_clouds_metadata_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--bootstrap", "b:1", "--subscriptions", "f", "--state", "s", "--allow-address", "169.254.169.254"])
    assert "no setting allows it" in capsys.readouterr().err


# Words in ------------------------------------------------------------------------------------------------------------


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


# What lasts ----------------------------------------------------------------------------------------------------------


def test_two_dispatchers_do_not_share_a_state(tmp_path: Path) -> None:
    store = Store(tmp_path, window_seconds=0.001)
    with pytest.raises(Refused, match="another dispatcher"):
        Store(tmp_path, window_seconds=0.001)
    store.bind("topic", "a")
    store.close()
    again = Store(tmp_path, window_seconds=0.001)
    again.bind("topic", "a")
    with pytest.raises(Refused, match="belongs to topic a, not b"):
        again.bind("topic", "b")
    again.close()


def test_a_state_of_another_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path, window_seconds=0.001).close()
    connection = sqlite3.connect(tmp_path / "deliveries.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(OperationFailed, match="another version"):
        Store(tmp_path, window_seconds=0.001)


@given(st.lists(st.floats(0.0002, 100.0), min_size=1, max_size=200))
def test_quantiles_are_within_two_percent(values: list[float]) -> None:
    minute = LastMinute(clock=lambda: 5.0)
    for value in values:
        minute.add(value)
    found = minute.quantiles(0.5, 0.99)
    assert found is not None
    for quantile, value in zip((0.5, 0.99), found, strict=True):
        rank = next(index for index in range(len(values)) if index + 1 >= quantile * len(values))
        assert value == pytest.approx(sorted(values)[rank], rel=0.021)


def test_what_is_older_than_a_minute_does_not_count() -> None:
    now = 0.0
    minute = LastMinute(clock=lambda: now)
    minute.add(5.0)
    now = 61.0
    assert minute.quantiles(0.5) is None
