"""A PostgreSQL server of the tests' own: loopback only, no durability, gone with the session."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_START_SECONDS = 30.0


def programs() -> Path | None:
    """The folder that holds `initdb` and `postgres`, or None where they are not installed."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), *_debian_places()]
    for place in places:
        if place and all((Path(place) / name).exists() for name in ("initdb", "postgres")):
            return Path(place)
    return None


def _debian_places() -> list[str]:
    return [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


class PostgresServer:
    """A server in a folder of its own, which can be stopped and started again.

    What was committed survives a stop where `durable`; else losing it is the price of speed.
    """

    def __init__(self, binaries: Path, folder: Path, *, durable: bool = False) -> None:
        self._binaries, self._folder, self._durable = binaries, folder, durable
        self._data, self._sockets = folder / "data", folder / "sockets"
        self._sockets.mkdir()
        self._identity = _other_user_than_root([folder, self._sockets])
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"postgres@127.0.0.1:{self._port}"
        subprocess.run(
            [
                *(binaries / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **self._identity,
        )

    def start(self) -> None:
        """Listen, and be ready when this returns."""
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(self._binaries / "postgres", "-D", self._data, "-p", str(self._port)),
                    *("-k", self._sockets, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                    *("-c", "full_page_writes=off"),
                    *("-c", f"synchronous_commit={'on' if self._durable else 'off'}"),
                    # A test that locks itself out fails instead of hanging.
                    *("-c", "autovacuum=off", "-c", "lock_timeout=20s"),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                # Ctrl-C must reach the tests only; they stop the server.
                start_new_session=True,
                **self._identity,
            )
        _wait(self.address, self._process, log)

    def stop(self) -> None:
        """End it without a word to its clients, as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=30)
            self._process = None


@contextmanager
def postgres_server(binaries: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """A running server for the time of the context."""
    folder = Path(tempfile.mkdtemp(prefix="xray-gate-postgres-", dir="/tmp"))
    try:
        server = PostgresServer(binaries, folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user_than_root(folders: list[Path]) -> dict[str, Any]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for folder in folders:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(f"postgresql://{address}/postgres").close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
