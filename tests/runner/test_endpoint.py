"""The two pages over real HTTP, and clients that do not behave."""

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.runner.watching import metrics_of
from xray_gate.core.errors import InputError
from xray_gate.runner import endpoint
from xray_gate.runner.endpoint import parse_address, serving
from xray_gate.runner.health import Health
from xray_gate.runner.metrics import RunnerMetrics

WELL = Health((), 0.25, None)
UNWELL = Health(("the registry has not answered for 61 s; check the database",), 61.0, 3.5)


@dataclass(frozen=True)
class Answer:
    code: int
    body: str
    kind: str


def get(address: str, path: str = "/health", method: str = "GET") -> Answer:
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return _answer(answer)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error)


def _answer(answer: Any) -> Answer:
    return Answer(answer.status, answer.read().decode(), answer.headers["Content-Type"])


@contextmanager
def pages(
    exposition: Callable[[], bytes] = lambda: b"# nothing\n",
    check: Callable[[], Health] = lambda: WELL,
    host: str = "127.0.0.1",
) -> Iterator[str]:
    with serving((host, 0), exposition, check) as address:
        yield address


def listen(host: str, port: int) -> None:
    with serving((host, port), lambda: b"", lambda: WELL):
        pass


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "xray-gate-metrics"]


def test_metrics_are_prometheus_text() -> None:
    with pages(RunnerMetrics(lambda: None).exposition) as address:
        found = get(address, "/metrics")
    assert (found.code, found.kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert metrics_of(found.body.encode()).values["xray_gate_registry_up"] == 0


def test_health_follows_what_is_checked() -> None:
    now = [WELL]
    with pages(check=lambda: now[0]) as address:
        well = get(address)
        now[0] = UNWELL
        unwell = get(address)
        now[0] = WELL
        again = get(address, "/health?verbose=1")
    assert (well.code, unwell.code, again.code) == (200, 503, 200)
    assert well.kind == "application/json"
    assert json.loads(well.body) == {
        "healthy": True,
        "reasons": [],
        "seconds_since_registry_answered": 0.25,
        "seconds_holding_a_version": None,
    }
    assert json.loads(unwell.body)["reasons"] == list(UNWELL.reasons)
    assert json.loads(unwell.body)["healthy"] is False


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthy", "/../etc/passwd"])
def test_there_is_nothing_else(path: str) -> None:
    with pages() as address:
        assert get(address, path).code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_nothing_but_get_is_answered(method: str) -> None:
    with pages() as address:
        found = get(address, "/metrics", method)
    assert found.code == 405
    assert "nothing" not in found.body


def test_a_method_that_nobody_knows_is_refused() -> None:
    with pages() as address:
        assert get(address, "/metrics", "BREW").code == 501


def test_an_answer_says_nothing_of_what_serves_it() -> None:
    with pages() as address:
        link = http.client.HTTPConnection(address, timeout=20)
        link.request("GET", "/health")
        answer = link.getresponse()
        answer.read()
        link.close()
    assert answer.headers["Server"] == "xray-gate"


def test_a_page_that_fails_is_logged_and_leaves_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError

    with pages(fail) as address:
        with pytest.raises((http.client.HTTPException, OSError)):
            get(address, "/metrics")
        assert get(address).code == 200
    assert "the metrics could not be told" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_the_end_frees_the_port_and_the_thread() -> None:
    with pages() as address:
        assert len(threads()) == 1
    assert threads() == []
    with pytest.raises(OSError):
        get(address)
    listen(*parse_address(address))


def test_a_port_that_is_taken_is_named() -> None:
    with pages() as address, pytest.raises(InputError, match=f"nobody can listen at {address} "):
        listen(*parse_address(address))


def test_a_host_that_is_not_ours_is_named() -> None:
    # From a block that is kept for documentation.
    with pytest.raises(InputError, match=r"nobody can listen at 192\.0\.2\.1:9464 "):
        listen("192.0.2.1", 9464)


def test_slow_clients_are_cut_off_and_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_SECONDS", 1.0)
    with pages() as address, ExitStack() as stack:
        place = parse_address(address)
        slow = [stack.enter_context(socket.create_connection(place, 20)) for _ in range(3)]
        for link in slow:
            link.sendall(b"GET /health HTTP/1.0\r\n")
        assert get(address).code == 200
        # Each byte would begin another second, were it not for the whole request's limit.
        deadline = time.monotonic() + 20
        while any(_open(link) for link in slow):
            assert time.monotonic() < deadline, "a slow client is still served"
            time.sleep(0.2)


def _open(link: socket.socket) -> bool:
    link.settimeout(0.05)
    try:
        link.sendall(b"A")
        return link.recv(4096) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_only_so_many_are_served_at_once_and_afterwards_again() -> None:
    held = threading.Event()

    def wait() -> bytes:
        assert held.wait(20)
        return b"# done\n"

    with pages(wait) as address, ExitStack() as stack:
        busy = [_asking(stack, address) for _ in range(endpoint._AT_ONCE)]
        deadline = time.monotonic() + 20
        while (code := _code_of_health(address)) is not None:
            assert (code, time.monotonic() < deadline) == (200, True)
        held.set()
        for link in busy:
            assert link.getresponse().read() == b"# done\n"
        while _code_of_health(address) != 200:
            assert time.monotonic() < deadline


def _asking(stack: ExitStack, address: str) -> http.client.HTTPConnection:
    link = http.client.HTTPConnection(address, timeout=20)
    stack.callback(link.close)
    link.request("GET", "/metrics")
    return link


def _code_of_health(address: str) -> int | None:
    """None where the connection was closed without an answer."""
    try:
        return get(address).code
    except (OSError, http.client.HTTPException):
        return None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("0.0.0.0:65535", ("0.0.0.0", 65_535)),
    ],
)
def test_an_address_is_read(text: str, wanted: tuple[str, int]) -> None:
    assert parse_address(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "9464", ":9464", "host:", "host:http", "host:65536", "host:-1", "::1:9464", "h:٣"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"give HOST:PORT, such as 127\.0\.0\.1:9464"):
        parse_address(text)


def test_it_listens_on_ipv6_too() -> None:
    try:
        listen("::1", 0)
    except InputError:
        pytest.skip("this machine has no IPv6")
    with pages(host="::1") as address:
        assert address.startswith("[::1]:")
        assert get(address).code == 200
