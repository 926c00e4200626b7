"""The guard against requests to where a webhook has no business: only public addresses, unless allowed by name.

It looks at the address of every single connection, when it is made: what a name resolved to before means nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Translates to IPv4 on the way (RFC 6052), its local-use twin too (RFC 8215).
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class AddressRefused(OSError):
    """The address is not public and not allowed."""


def effective(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that stands for it (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64[0]:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return address


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could be meant: no private, loopback, link-local or special address."""
    address = effective(address)
    if address in _NAT64[1]:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


class Guard:
    """Says which addresses may be connected to. `allowed` are networks beside the public addresses."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, text: str) -> bool:
        """Whether a connection to this address may be made."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        inner = effective(address)
        return is_public(address) or any(inner in network or address in network for network in self._allowed)

    def socket(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """A socket for one connection, for aiohttp. Raises AddressRefused."""
        family, kind, protocol, _, address = addr_info
        if not self.permits(str(address[0])):
            # The same words for each address: all of a name's refused look like one refusal.
            raise AddressRefused("the address is not public, and no --allow-address holds it")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
