"""With whom the processes of a group are connected by TCP, as Linux tells; nothing where it does not."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_ESTABLISHED, _CONNECTING = "01", "02"
_GROUP_FIELD = 2  # of /proc/PID/stat behind the name in parentheses: state, parent, group
_WORD = 8


class _Socket(NamedTuple):
    inode: str
    local: str
    remote: str
    state: str


def peers_of_group(group: int) -> frozenset[str]:
    """``host:port`` of each connection that leads out of the process group; its own among each other are left out."""
    inodes = {inode for pid in _members(group) for inode in _inodes(pid)}
    ours = [one for one in _sockets() if one.inode in inodes]
    own = {one.local for one in ours}
    open_ = (one for one in ours if one.state in (_ESTABLISHED, _CONNECTING))
    return frozenset(one.remote for one in open_ if one.remote not in own)


def _members(group: int) -> Iterator[Path]:
    for stat in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[_GROUP_FIELD]) == group:
                yield stat.parent


def _inodes(process: Path) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if (found := _SOCKET.fullmatch(str(descriptor.readlink()))) is not None:
                    yield found[1]


def _sockets() -> Iterable[_Socket]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError, ValueError, IndexError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                yield _Socket(fields[9], address(fields[1]), address(fields[2]), fields[3])


def address(text: str) -> str:
    """As the kernel writes it (words in the machine's order, which is taken to be little-endian).

    >>> address("0100007F:2384"), address("0000000000000000FFFF00000100007F:0050")
    ('127.0.0.1:9092', '127.0.0.1:80')
    >>> address("00000000000000000000000001000000:1F90")
    '[::1]:8080'
    """
    words, _, port = text.partition(":")
    content = b"".join(bytes.fromhex(words[at : at + _WORD])[::-1] for at in range(0, len(words), _WORD))
    found = ipaddress.ip_address(content)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    host = str(mapped) if mapped is not None else f"[{found}]" if found.version == 6 else str(found)
    return f"{host}:{int(port, 16)}"
