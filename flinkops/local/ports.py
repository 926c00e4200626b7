"""Free ports on the loopback address."""

import random
import socket

HOST = "127.0.0.1"
# Below the range from which the systems take ports for outgoing connections, so that none of those
# takes ours between this check and the server's bind.
_RANGE = range(20_000, 32_000)
_TRIES = 2_000


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on now."""
    candidates = random.SystemRandom().sample(_RANGE, k=min(_TRIES, len(_RANGE)))
    free: list[int] = []
    for port in candidates:
        if len(free) == count:
            break
        if is_free(port):
            free.append(port)
    if len(free) < count:
        raise OSError(f"no {count} free ports on {HOST} between {_RANGE.start} and {_RANGE.stop}")
    return free


def is_free(port: int) -> bool:
    """True when a server could bind this port on 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections still linger is not taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
