"""A relay before a real server, whose connections can be cut, or held so that nothing comes through any more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_END_SECONDS = 10.0


class Relay:
    """Passes bytes between its port on 127.0.0.1 and `target`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._sockets: list[socket.socket] = []
        self._passing: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Connections stay open and nothing comes through."""
        self._flowing.clear()

    def cut(self) -> None:
        """All connections are closed, and new ones at once, until `flow`."""
        self._refusing = True
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def flow(self) -> None:
        """All is well again."""
        self._refusing = False
        self._flowing.set()

    def close(self) -> None:
        self.cut()
        self._flowing.set()
        self._listener.close()
        for each in self._passing:
            each.join(_END_SECONDS)
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            server = socket.create_connection(self._target, timeout=10)
            server.settimeout(None)
            self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                self._passing.append(threading.Thread(target=self._pass_on, args=(source, sink), daemon=True))
                self._passing[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                self._flowing.wait()
                sink.sendall(piece)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay_to(target: tuple[str, int]) -> Iterator[Relay]:
    """A relay, closed afterwards."""
    found = Relay(target)
    try:
        yield found
    finally:
        found.close()
