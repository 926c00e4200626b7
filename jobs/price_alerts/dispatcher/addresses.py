"""The guard against requests to where a webhook has no business (SSRF): only public addresses, unless allowed by name.

It judges the address of every single connection, when it is made: what a name resolved to before does not count. The
list of special networks is our own, from IANA's registries (iana-ipv4-special-registry, iana-ipv6-special-registry,
November 2026): `ipaddress.is_global` differs between Python versions and lets several of them through.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPECIAL_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by providers (CGNAT); Alibaba's metadata are in it
            "127.0.0.0/8",  # loopback
            "161.26.0.0/16",  # IBM Cloud's services, reachable from inside only
            "166.8.0.0/14",  # IBM Cloud's service endpoints
            "169.254.0.0/16",  # link-local; most clouds' metadata are in it
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata are in it
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
_GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")  # whatever else there is in IPv6 is special
_SPECIAL_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarks, ORCHID, AMT, ...
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # the 6bone, returned
            "3fff::/20",  # documentation
        ),
    )
)
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, Hetzner, OpenStack and others
            "169.254.169.123",  # AWS, time
            "169.254.169.253",  # AWS, names
            "169.254.170.2",  # AWS, credentials of ECS tasks
            "169.254.170.23",  # AWS, credentials of EKS pods
            "169.254.0.23",  # Tencent
            "169.254.42.42",  # Scaleway
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure, the host's agent; a public address by its number
            "192.0.0.192",  # Oracle
            "192.80.8.124",  # Equinix Metal; a public address by its number
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, credentials of EKS pods
            "fd00:42::42",  # Scaleway
            "fd20:ce::254",  # Google
            "fd00:c1::a9fe:a9fe",  # Oracle
        ),
    )
)
"""Where clouds give credentials to any client inside. No setting allows a connection to one of these."""

# Translated to IPv4 on the way (RFC 6052), as an IPv6-only host reaches IPv4 receivers.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # the upper half of an interface identifier (RFC 5214)


class AddressRefused(OSError):
    """The address is not public and not allowed."""


def effective(address: Address) -> Address:
    """The IPv4 address that a connection to this IPv6 one reaches (mapped, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _embedded(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that a tunnel could take a connection to: 6to4, Teredo, ISATAP, IPv4-compatible."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    low = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP or int(address) >> 32 == 0:
        yield low


def is_public(address: Address) -> bool:
    """Whether it is global unicast, and no tunnel to an address that is not."""
    address = effective(address)
    if isinstance(address, ipaddress.IPv4Address):
        return address not in METADATA and not any(address in network for network in _SPECIAL_V4)
    if address not in _GLOBAL_UNICAST_V6 or any(address in network for network in _SPECIAL_V6):
        return False
    return all(is_public(each) for each in _embedded(address))


class Guard:
    """Decides which addresses may be connected to. `allowed` are networks beside the public addresses."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, text: str) -> bool:
        """Whether a connection to this address may be made."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        inner = effective(address)
        if not METADATA.isdisjoint((address, inner, *_embedded(address))):
            return False
        return is_public(address) or any(inner in network or address in network for network in self._allowed)

    def socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """A socket for one connection. Raises AddressRefused."""
        family, kind, protocol, _, address = addr_info
        if not self.permits(str(address[0])):
            # The same text for each address: aiohappyeyeballs then reports all of a name's refusals as one.
            raise AddressRefused("the address is not public, and no --allow-address holds it")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
