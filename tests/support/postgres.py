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


@contextmanager
def postgres_server(binaries: Path) -> Iterator[str]:
    """A running server; yields its address, `postgres@127.0.0.1:PORT`."""
    folder = Path(tempfile.mkdtemp(prefix="xray-gate-postgres-", dir="/tmp"))
    data, sockets = folder / "data", folder / "sockets"
    sockets.mkdir()
    identity = _other_user_than_root([folder, sockets])
    port = _free_port()
    try:
        subprocess.run(
            [
                *(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **identity,
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(binaries / "postgres", "-D", data, "-p", str(port), "-k", sockets),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                    *("-c", "full_page_writes=off", "-c", "synchronous_commit=off"),
                    # A test that locks itself out fails instead of hanging.
                    *("-c", "autovacuum=off", "-c", "lock_timeout=20s"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                # Ctrl-C must reach the tests only; they stop the server.
                start_new_session=True,
                **identity,
            )
        try:
            address = f"postgres@127.0.0.1:{port}"
            _wait(address, process, folder / "log")
            yield address
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=30)
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
