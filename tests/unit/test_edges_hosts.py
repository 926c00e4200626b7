"""Edges of addresses: where a jar may come from, and what is said of an address that is none."""

from typing import Any

import pytest

from flinkops.errors import OperationFailed
from flinkops.plan.operator.rehearsal_pod import _port_of
from flinkops.plan.operator.validation_jar import _is_restricted


@pytest.mark.parametrize(
    ("hosts", "restricted"),
    [
        (("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "localhost"), True),
        (("127.0.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1"), True),
        (("::1", "fe80::1", "fec0::1", "::", "ff02::1"), True),
        (("11.0.0.1", "172.32.0.1", "192.169.0.1", "8.8.8.8", "2001:4860:4860::8888"), False),
    ],
)
def test_an_address_within_a_network_is_restricted(hosts: tuple[str, ...], restricted: bool) -> None:
    view: Any = None  # nobody is asked of an address
    assert {host: _is_restricted(view, host) for host in hosts} == dict.fromkeys(hosts, restricted)


def test_an_address_that_is_none_is_told_in_part() -> None:
    url = f"http://jars:99999/{'a' * 300}"
    with pytest.raises(OperationFailed) as told:
        _port_of(url)
    assert str(told.value).startswith(f"{url[:200]} is no address")
    assert [_port_of(one) for one in ("http://a", "https://a", "http://a:81")] == [80, 443, 81]
