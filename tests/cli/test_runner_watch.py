"""The runner's options for those who watch it, where they are wrong."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.making import xray_gate

RUNNER = ("runner", "--once", "--tracking-uri", "http://127.0.0.1:9")
NOWHERE = ("--registry-uri", "xray-gate+sqlite:////nowhere/at/all.db")


@pytest.mark.parametrize("address", ["9464", "127.0.0.1", "127.0.0.1:http"])
def test_what_is_no_address_stops_the_runner(address: str, command: Command) -> None:
    ended = command(*RUNNER, *NOWHERE, "--metrics-address", address)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"error: {address}: is no address to listen at; give HOST:PORT, such as 127.0.0.1:9464\n"
    )


def test_a_port_that_is_taken_stops_the_runner(command: Command, sqlite_database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        registry = ("--registry-uri", f"xray-gate+{sqlite_database}")
        ended = command(*RUNNER, *registry, "--metrics-address", address)
    assert (ended.code, ended.out) == (2, "")
    assert f"nobody can listen at {address} (Address already in use)" in ended.err


def test_with_json_an_error_is_a_line_of_json_too(tmp_path: Path) -> None:
    ended = xray_gate(*RUNNER, "--log-format", "json", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    line = json.loads(ended.stderr)
    assert ended.stderr.count("\n") == 1
    assert (line["level"], line["logger"]) == ("ERROR", "xray_gate.cli.logs")
    assert line["message"].startswith("error: the runner needs --registry-uri xray-gate+")


def test_there_are_two_formats(command: Command) -> None:
    ended = command(*RUNNER, *NOWHERE, "--log-format", "xml")
    assert (ended.code, ended.out) == (2, "")
    assert "'xml' is not one of 'text', 'json'" in ended.err
