"""Metrics and health over HTTP, for programs that look at a runner. Reads only; knows nobody."""

import json
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from xray_gate.core.errors import InputError
from xray_gate.core.printable import printable
from xray_gate.runner.health import Health
from xray_gate.runner.metrics import CONTENT_TYPE

_logger = logging.getLogger(__name__)

# A client that sends or reads too slowly is cut off, and those beyond the number are not served:
# threads and sockets belong to the runner.
_SECONDS = 10.0
_AT_ONCE = 8
# How long the end of the pages may take to be seen.
_POLL_SECONDS = 0.2

Address = tuple[str, int]


def parse_address(text: str) -> Address:
    """Host and port of `HOST:PORT` or `[IPv6]:PORT`; `InputError` for anything else."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    plain = port.isascii() and port.isdigit() and int(port) <= 65_535
    if not bare or not colon or not plain or (":" in bare and bare == host):
        raise InputError(
            f"{printable(text)}: is no address to listen at; give HOST:PORT, such as 127.0.0.1:9464"
        )
    return bare, int(port)


@contextmanager
def serving(
    address: Address, exposition: Callable[[], bytes], check: Callable[[], Health]
) -> Iterator[str]:
    """Answer at `address` until the context ends; gives `HOST:PORT` as taken, also for port 0.

    /metrics gives `exposition`; /health 200 where `check` says healthy, else 503, and the reasons
    as JSON. Raises `InputError` where nobody can listen there.
    """
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
        server = _Server(family, place, exposition, check)
    except OSError as error:
        raise InputError(
            f"nobody can listen at {printable(host)}:{port} ({error.strerror}); give another "
            "--metrics-address"
        ) from error
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="xray-gate-metrics", daemon=True
    )
    with server:
        thread.start()
        try:
            yield server.shown
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    # Not http.server's own, which looks its host's name up in the DNS before it listens.
    allow_reuse_address = True
    daemon_threads = True
    # Nor does the runner's end wait for a client.
    block_on_close = False

    def __init__(
        self,
        family: socket.AddressFamily,
        place: Any,
        exposition: Callable[[], bytes],
        check: Callable[[], Health],
    ) -> None:
        self.address_family = family
        self.exposition = exposition
        self.check = check
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(place, _Handler)

    @property
    def shown(self) -> str:
        """`HOST:PORT` of the socket."""
        host, port = self.server_address[:2]
        named = f"[{host!s}]" if self.address_family == socket.AF_INET6 else str(host)
        return f"{named}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            # No thread came of it.
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        cut = threading.Timer(_SECONDS, _cut_off, (request,))
        cut.daemon = True
        cut.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            cut.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), OSError):
            _logger.debug("a client of the metrics went away", exc_info=True)
        else:
            _logger.exception("the metrics could not be told")


def _cut_off(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS

    def do_GET(self) -> None:
        """The two pages that there are."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE, self.server.exposition())
        elif path == "/health":
            health = self.server.check()
            body = json.dumps(_told(health)).encode() + b"\n"
            self._answer(200 if health.healthy else 503, "application/json", body)
        else:
            self._answer(404, "text/plain; charset=utf-8", b"there are /metrics and /health\n")

    def _refuse(self) -> None:
        self._answer(405, "text/plain; charset=utf-8", b"only GET\n", Allow="GET")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _answer(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        fixed = {"Content-Type": content_type, "Content-Length": str(len(body))}
        for name, value in {**fixed, "Cache-Control": "no-store", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "xray-gate"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        _logger.debug("%s", printable(format % args))


def _told(health: Health) -> dict[str, Any]:
    return {
        "healthy": health.healthy,
        "reasons": list(health.reasons),
        "seconds_since_registry_answered": _rounded(health.since_answer),
        "seconds_holding_a_version": _rounded(health.holding),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
