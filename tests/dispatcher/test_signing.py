"""What we sign, strangers verify: the library of Standard Webhooks, and the receiver of our documentation."""

import asyncio
import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.clock import SystemClock
from flinkops.local.ports import free_ports
from jobs.price_alerts.dispatcher import signing
from jobs.price_alerts.dispatcher.addresses import Guard
from jobs.price_alerts.dispatcher.alert import Record, read_alert
from jobs.price_alerts.dispatcher.sending import Outcome, Sender
from jobs.price_alerts.dispatcher.subscriptions import Subscription, sort_out
from tests.dispatcher.alerts import SECRET, encoded
from tests.dispatcher.receivers import LOOPBACK
from tests.dispatcher.suite import inbox
from tests.patience import PATIENT_SECONDS

NOT_INSTALLED = "standardwebhooks is not installed: pip install -r locks/local.txt"
standard: Any = pytest.importorskip("standardwebhooks.webhooks", reason=NOT_INSTALLED)

DOCUMENT = Path(__file__).parents[2] / "docs" / "price-alerts.md"
NEW, OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "an older secret, as text"
BODY = encoded(1, sku="A1 \u00e9")
ALERT = read_alert(Record(0, 0, 0, BODY))
SECRETS = st.text(min_size=16, max_size=40).filter(lambda text: not text.startswith("whsec_")) | st.binary(
    min_size=16, max_size=64
).map(lambda key: "whsec_" + base64.b64encode(key).decode())


def now() -> int:
    return SystemClock().now_ms() // 1000


def accepted(secret: str | bytes, headers: dict[str, str], body: bytes = BODY) -> bool:
    """Whether the library verifies it."""
    try:
        standard.Webhook(secret).verify(body, headers)
    except standard.WebhookVerificationError:
        return False
    return True


def as_key(secret: str) -> str | bytes:
    """What a receiver gives to the library."""
    return secret if secret.startswith("whsec_") else secret.encode()


@given(SECRETS.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)), st.text(min_size=1, max_size=20))
def test_the_library_verifies_what_we_sign(secret: str, text: str) -> None:
    body = json.dumps({"text": text}).encode()
    headers = signing.headers([secret], ALERT.alert_id, now(), body)
    assert accepted(as_key(secret), headers, body)
    assert signing.is_genuine(secret, {name.lower(): value for name, value in headers.items()}, body, now())


def test_two_secrets_while_one_is_rotated() -> None:
    before, meanwhile, after = (
        signing.headers(each, ALERT.alert_id, now(), BODY) for each in ([OLD], [NEW, OLD], [NEW])
    )
    assert [accepted(as_key(OLD), each) for each in (before, meanwhile, after)] == [True, True, False]
    assert [accepted(as_key(NEW), each) for each in (before, meanwhile, after)] == [False, True, True]
    for secret, holds in ((OLD, [True, True, False]), (NEW, [False, True, True])):
        lower = [{name.lower(): value for name, value in each.items()} for each in (before, meanwhile, after)]
        assert [signing.is_genuine(secret, each, BODY, now()) for each in lower] == holds
    assert re.fullmatch(r"t=\d+,v1=[0-9a-f]{64},v1=[0-9a-f]{64}", meanwhile["X-Flinkops-Signature"])


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "0" * 64},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "\u0663"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
        {"x-flinkops-signature": "t=1,v1=00"},
        {"x-flinkops-signature": ""},
        {"webhook-signature": "\ufffd"},
    ],
)
def test_what_was_changed_is_forged(change: dict[str, str]) -> None:
    genuine = {name.lower(): value for name, value in signing.headers([NEW], ALERT.alert_id, now(), BODY).items()}
    assert signing.is_genuine(NEW, genuine, BODY, now())
    assert not signing.is_genuine(NEW, genuine | change, BODY, now())
    assert not signing.is_genuine(NEW, genuine, BODY + b" ", now())
    assert not signing.is_genuine(NEW, genuine, BODY, now() + 1000)
    if not {"webhook-id", "webhook-timestamp"}.isdisjoint(change):
        assert not accepted(NEW, genuine | change)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"secret": "whsec_no base64 at all"}, "no base64"),
        ({"secret": "whsec_c2hvcnQ="}, "secret must have"),
        ({"secret": "whsec_" + base64.b64encode(b"x" * 15).decode()}, "fewer than 16 bytes"),
        ({"previous_secret": "short"}, "secret"),
        ({"secret": "half a pair \ud800 and more"}, "UTF-8"),
    ],
)
def test_a_secret_that_cannot_sign_is_named(fields: dict[str, str], problem: str) -> None:
    given = {"client": "a", "url": "https://a.example", "secret": NEW} | fields
    good, (bad,) = sort_out([Subscription(**given)], allow_http=False)  # type: ignore[arg-type]
    assert good == {}
    assert problem in bad.problem
    assert fields.get("secret", "short") not in bad.problem


def test_a_rotation_goes_through_the_dispatcher() -> None:
    async def scenario() -> list[Outcome]:
        sender = Sender(LOOPBACK, timeout_seconds=PATIENT_SECONDS)
        try:
            async with inbox() as box:
                url = box.url("a")
                old = Subscription(client="a", url=url, secret=SECRET)
                both = Subscription(client="a", url=url, secret=NEW, previous_secret=SECRET)
                new = Subscription(client="a", url=url, secret=NEW)
                return [await sender.send(each, ALERT) for each in (old, both, new)]
        finally:
            await sender.close()

    assert [each.status for each in asyncio.run(scenario())] == [200, 200, 401]


def test_the_receiver_of_the_documentation(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (port,) = free_ports(1)
    script = tmp_path / "receiver.py"
    script.write_text(code.replace("port=8000", f"host='127.0.0.1', port={port}"))
    url = f"http://127.0.0.1:{port}/prices"

    async def scenario() -> tuple[list[Outcome], bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        sender = Sender(Guard(LOOPBACK._allowed), timeout_seconds=PATIENT_SECONDS)
        try:
            assert process.stdout is not None
            while b"Running on" not in await process.stdout.readline():
                assert process.returncode is None
            good = Subscription(client="a", url=url, secret=NEW)
            forged = Subscription(client="a", url=url, secret=SECRET)
            outcomes = [await sender.send(each, ALERT) for each in (good, forged)]
            printed = b""
            while ALERT.alert_id.encode() not in printed:
                printed = await process.stdout.readline()
            return outcomes, printed
        finally:
            await sender.close()
            process.terminate()
            await process.wait()

    outcomes, printed = asyncio.run(asyncio.wait_for(scenario(), PATIENT_SECONDS))
    assert [each.status for each in outcomes] == [204, 401]
    assert printed.decode().split() == [ALERT.alert_id, "A1", "\u00e9", "10.0", "->", "11.0"]
