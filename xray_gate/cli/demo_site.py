"""A real MLflow server with the gate, and a runner, in a folder of their own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from xray_gate.core.errors import ScanError

_START_SECONDS = 90.0


@dataclass(frozen=True)
class Site:
    """A running demo: where the server listens and where the registry's database is."""

    tracking_uri: str
    registry_uri: str


@contextmanager
def running_site(
    folder: Path, policy: Path, *, database: str | None = None, with_runner: bool = True
) -> Iterator[Site]:
    """Server and runner in `folder` for the time of the context; `ScanError` if one fails.

    `database` is a SQLAlchemy URI; without it, a SQLite file in `folder`.
    """
    port = free_port()
    database = database or f"sqlite:///{folder / 'mlflow.db'}"
    site = Site(f"http://127.0.0.1:{port}", f"xray-gate+{database}")
    server = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", database, "--registry-store-uri", site.registry_uri),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    runner = [
        *(sys.executable, "-m", "xray_gate", "runner"),
        *("--registry-uri", site.registry_uri, "--tracking-uri", site.tracking_uri),
    ]
    environment = {
        **os.environ,
        "XRAY_GATE_POLICY": str(policy),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    with ExitStack() as stack:
        process = stack.enter_context(_process(server, folder / "server.log", environment))
        _wait_for_registry(site.tracking_uri, process, folder / "server.log")
        if with_runner:
            stack.enter_context(_process(runner, folder / "runner.log", environment))
        yield site


@contextmanager
def _process(
    command: list[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # MLflow's server starts workers: the whole group must go.
    for number in (15, 9):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _wait_for_registry(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    # /health answers 200 even where the plugin could not be loaded, so the registry is asked.
    question = f"{uri}/api/2.0/mlflow/registered-models/search?max_results=1"
    deadline = time.monotonic() + _START_SECONDS
    problem: object = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            problem = f"it ended with {process.returncode}"
            break
        try:
            with urllib.request.urlopen(question, timeout=5) as answer:  # noqa: S310 - loopback
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as error:
            problem = error.read().decode(errors="replace")[:500]
            if error.code < 500:
                break
        except OSError as error:
            problem = error
        time.sleep(0.2)
    raise ScanError(f"the MLflow server did not start: {problem}; see {log}")


def free_port() -> int:
    """A port of this machine that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
