"""Where the dispatcher may send to: public addresses, and what an operator allows; never a cloud's metadata."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.price_alerts.dispatcher.addresses import METADATA, AddressRefused, Guard, effective
from jobs.price_alerts.dispatcher.options import parse


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
