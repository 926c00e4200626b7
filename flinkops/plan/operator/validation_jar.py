"""What the Flink operator's validation says of the jar of a session job, from operator 1.15 on. Pure.

Source: ``DefaultValidator.validateJarURI``. The operator itself resolves the host's name, so whether that is let pass
is not known here, unless the jar that it fetched last came from the same host.
"""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from flinkops.model.json_reading import text
from flinkops.plan.operator.configuration import ALLOWED_SCHEMES, RESTRICTED_HOSTS, Settings
from flinkops.plan.operator.deploy_configuration import is_uri
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.situation import View
from flinkops.plan.operator.spec import job_of
from flinkops.plan.operator.worlds import Fact, FactKind

_ALLOWED_BY_DEFAULT = "https"
_SITE_LOCAL = [ipaddress.ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def jar(view: View, wanted: Spec, _: Settings) -> Iterator[str]:
    """It is asked at each change, also of a jar that an older operator let pass."""
    uri, before = job_of(wanted).get("jarURI"), text(job_of(view.case.deployed), "jarURI")
    if uri is None or not view.rules.restricts_jars:
        return
    if not is_uri(uri):
        yield f"jarURI is not a valid URI: {uri}"
        return
    scheme, host = _parts(uri)
    if scheme is None:
        yield "jarURI must include a scheme"
        return
    as_before = (scheme, host) == _parts(before or "")
    if not as_before or view.case.observed.operator_configuration is not None:
        yield from _scheme(view, scheme)
    if scheme in ("http", "https") and not as_before:
        yield from _host(view, host)


def _parts(uri: str) -> tuple[str | None, str]:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", uri)
    try:
        return (match[1].lower() if match else None), urlsplit(uri).hostname or ""
    except ValueError:
        return (match[1].lower() if match else None), ""


def _scheme(view: View, scheme: str) -> Iterator[str]:
    """A list in Flink's form: "https;s3", which one with commas is not."""
    own = view.case.observed.operator_configuration
    if own is None:
        text = view.world.ask(Fact(FactKind.OPERATOR_DEFAULT, ALLOWED_SCHEMES.key), (scheme, "none"))
    else:
        text = own.get(ALLOWED_SCHEMES.key, _ALLOWED_BY_DEFAULT)
    listed = text.strip()[1:-1].split(",") if re.fullmatch(r"\s*\[.*\]\s*", text) else text.split(";")
    allowed = sorted({one.strip().lower() for one in listed if one.strip()})
    if scheme not in allowed:
        yield (
            f"jarURI scheme '{scheme}' is not in the allowlist [{', '.join(allowed)}]."
            f" Configure '{ALLOWED_SCHEMES.key}' to extend the allowlist."
        )


def _host(view: View, host: str) -> Iterator[str]:
    own = view.case.observed.operator_configuration
    if own is not None and own.get(RESTRICTED_HOSTS.key, "true").lower() != "true":
        return
    if not host:
        yield "jarURI must include a host for http/https schemes"
    elif _is_restricted(view, host):
        yield f"jarURI host '{host}' resolves to a restricted address"


def _is_restricted(view: View, host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return not view.world.ask(Fact(FactKind.JAR_HOST, host), (True, False))
    local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    within = any(address in network for network in _SITE_LOCAL)
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or local
        or within
    )
