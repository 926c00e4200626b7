"""A server of a test's own, on this machine alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that gave up, or was killed in the middle, is what some tests are about."""


@contextmanager
def served(requests: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Its address while it answers."""
    server = _Server(("127.0.0.1", 0), requests)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
