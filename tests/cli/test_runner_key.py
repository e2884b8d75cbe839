"""A runner that was told to sign does not start without its key."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.signing.making import KEY
from xray_gate.cli.signing_key import signer

RUNNER = (
    *("runner", "--once", "--registry-uri", "xray-gate+sqlite:////nowhere/at/all.db"),
    *("--tracking-uri", "http://127.0.0.1:9"),
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "signing.key"
    path.write_bytes(KEY.pem(b"open sesame"))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_key_that_is_not_there_stops_the_runner(
    way: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--signing-key", "gone.key"] if way == "option" else []
    if way == "variable":
        monkeypatch.setenv("XRAY_GATE_SIGNING_KEY", "gone.key")
    ended = command(*RUNNER, *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: gone.key: there is no such file; name the signing key\n"


def test_a_variable_that_names_nothing_stops_the_runner(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_GATE_SIGNING_KEY", "")
    ended = command(*RUNNER)
    assert (ended.code, ended.out) == (2, "")
    assert "XRAY_GATE_SIGNING_KEY is set, but names no file; name one, or unset it" in ended.err


@pytest.mark.parametrize(
    ("passphrase", "said"),
    [
        (None, "it is encrypted, and there is no passphrase; set XRAY_GATE_KEY_PASSPHRASE"),
        ("open says me", "it is no private key, or the passphrase is wrong"),
        ("", "the passphrase is empty"),
    ],
)
def test_a_wrong_passphrase_stops_the_runner_and_is_not_shown(
    passphrase: str | None,
    said: str,
    command: Command,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if passphrase is not None:
        monkeypatch.setenv("XRAY_GATE_KEY_PASSPHRASE", passphrase)
    ended = command(*RUNNER, "--signing-key", key)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "open says me" not in ended.err


def test_the_passphrase_is_not_left_for_what_the_runner_starts(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_GATE_KEY_PASSPHRASE", "open sesame")
    assert signer(key, None) is not None
    assert "XRAY_GATE_KEY_PASSPHRASE" not in os.environ
