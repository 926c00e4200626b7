"""How a request is signed: our own header, and those of Standard Webhooks (github.com/standard-webhooks, version 1).

While a secret is rotated a client has two, and each header has two signatures: a receiver that knows either accepts it.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
_MIN_KEY_BYTES = 16
_MAX_AGE_SECONDS = 300.0  # as Standard Webhooks' own libraries


def standard_key(secret: str) -> bytes:
    """The key of a secret in Standard Webhooks: the base64 after `whsec_`, else the text's own bytes.

    Raises ValueError where the rest is no base64, or too short for a key.

    >>> standard_key("whsec_c2l4dGVlbiBieXRlcyEhIQ"), standard_key("any other text with sixteen characters")[:8]
    (b'sixteen bytes!!!', b'any othe')
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {PREFIX} is no base64") from None
    if len(key) < _MIN_KEY_BYTES:
        raise ValueError(f"what follows {PREFIX} has fewer than {_MIN_KEY_BYTES} bytes")
    return key


def headers(secrets: Sequence[str], message_id: str, at_seconds: int, body: bytes) -> dict[str, str]:
    """The headers that sign a request, one signature for each secret, the newest first.

    Neither the body nor the time can be changed without a secret, so that an old request cannot be sent again as new.
    """
    ours = [hmac.digest(each.encode(), b"%d.%b" % (at_seconds, body), "sha256").hex() for each in secrets]
    content = b"%b.%d.%b" % (message_id.encode(), at_seconds, body)
    theirs = [base64.b64encode(hmac.digest(standard_key(each), content, "sha256")).decode() for each in secrets]
    return {
        "X-Flinkops-Signature": f"t={at_seconds}," + ",".join(f"v1={each}" for each in ours),
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(f"v1,{each}" for each in theirs),
    }


def is_genuine(secret: str, given: Mapping[str, str], body: bytes, now_seconds: float) -> bool:
    """Whether one signature of each kind is by this secret, and they are recent. Header names in lower case."""
    at, message_id = given.get("webhook-timestamp", ""), given.get("webhook-id", "")
    if not (at.isascii() and at.isdigit() and len(at) < 12) or abs(now_seconds - int(at)) > _MAX_AGE_SECONDS:
        return False
    expected = headers([secret], message_id, int(at), body)
    time, _, ours = expected["X-Flinkops-Signature"].partition(",")
    given_time, _, given_ours = given.get("x-flinkops-signature", "").partition(",")
    return (
        given_time == time
        and _one_is(ours, given_ours.split(","))
        and _one_is(expected["webhook-signature"], given.get("webhook-signature", "").split(" "))
    )


def _one_is(expected: str, given: Sequence[str]) -> bool:
    return any(hmac.compare_digest(expected.encode(), each.encode()) for each in given)
