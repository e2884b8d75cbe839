import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, Files
from tests.cli.making import ALWAYS_FAILS, Ended, write_policy
from tests.signing.making import OTHER_KEY, output_of, write_model
from xray_gate.cli.signing_key import require_unchanged
from xray_gate.core.errors import ScanError

Verify = Callable[..., Ended]


@pytest.fixture
def keys(command: Command, tmp_path: Path) -> Path:
    assert command("keys", "new", "--out", tmp_path / "keys").code == 0
    return tmp_path / "keys"


@pytest.fixture
def scanned(command: Command, files: Files, keys: Path) -> Callable[..., Ended]:
    """Scan and sign; `report/attestation.json` is what is to be verified."""

    def scan(*more: object) -> Ended:
        return command(
            *("scan", files.model, "--probes", files.probes, "--policy", files.policy),
            *("--out", files.folder / "report", "--signing-key", keys / "signing.key", *more),
        )

    return scan


@pytest.fixture
def verify(command: Command, files: Files, keys: Path) -> Verify:
    def call(*more: object, **changes: Any) -> Ended:
        attestation = files.folder / "report" / "attestation.json"
        chosen = {"attestation": attestation, "trust": keys / "trust.json", **changes}
        model = chosen.pop("model", files.model)
        options = [part for name, path in chosen.items() for part in (f"--{name}", path)]
        return command("verify", model, *options, *more)

    return call


def test_a_signed_pass_is_verified(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    assert scanned().code == 0
    ended = verify("--policy", files.policy, "--max-age", "5m", "--resource", "file:clean.onnx")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"VERIFIED  {files.model}\nresource  file:clean.onnx\nverdict   p")
    told = json.loads(verify("--format", "json").out)
    assert (told["verified"], told["verdict"], told["findings"]) == (True, "passed", [])
    assert verify("--policy-digest", told["policy"]["digest"]).code == 0
    assert verify(trust=files.folder / "keys" / "signing.pub").code == 0
    assert verify(trust=files.folder / "keys").code == 0


def test_changed_bytes_end_with_1(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    scanned()
    files.model.write_bytes(files.model.read_bytes() + b"\x00")
    ended = verify()
    assert (ended.code, ended.err) == (1, "note: any policy counts; name yours with --policy\n")
    assert ended.out.startswith(f"NOT VERIFIED  {files.model}\n  - mismatch: changed: .\n")
    told = json.loads(verify("--format", "json").out)
    assert told["findings"] == [{"fault": "mismatch", "text": "changed: ."}]


def test_another_policy_ends_with_1(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    scanned()
    write_policy(files.policy, ALWAYS_FAILS)
    ended = verify("--policy", files.policy)
    assert ended.code == 1
    assert "mismatch: another policy decided: pkg:pypi/xray-gate#policy/" in ended.out
    assert verify("--policy-digest", "sha256:" + "0" * 64).code == 1
    assert verify("--resource", "models:/signs/1").code == 1


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_a_signed_failure_ends_with_1_whatever_the_mode(
    mode: str, scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    write_policy(files.policy, ALWAYS_FAILS, enforcement=mode)
    assert scanned().code == 1
    ended = verify()
    assert ended.code == 1
    assert "mismatch: the verdict is failed: model_xray: " in ended.out


def test_an_unsigned_or_strangers_verdict_ends_with_3(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    scanned()
    other = files.folder / "other.pub"
    other.write_bytes(OTHER_KEY.public.pem())
    ended = verify(trust=other)
    assert ended.code == 3
    assert "unsigned: no trusted key has signed it, or it was changed afterwards" in ended.out
    path = files.folder / "report" / "attestation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "signatures": []}))
    assert verify().code == 3


def test_an_old_verdict_ends_with_3(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    scanned()
    ended = verify("--max-age", "0m")
    assert ended.code == 3
    assert "old: it was signed at " in ended.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--attestation", "gone"], "gone: there is no such file; name the signed verdict"),
        (["--attestation", "notes"], "the attestation is not valid JSON"),
        (["--attestation", "deep"], "the attestation is not valid JSON (it is nested too"),
        (["--attestation", "large"], "large: is larger than 8,388,608 bytes; name the signed"),
        (["--attestation", "/dev/zero"], "there is no such file; name the signed verdict"),
        (["--trust", "gone"], "gone: there is no such file; name the trust file"),
        (["--trust", "x" * 300], "cannot be read (File name too long); check the path of the t"),
        (["--attestation", "x" * 300], "cannot be read (File name too long); check the path of"),
        (["--trust", "notes"], "the trust file notes is not valid JSON"),
        (["--policy", "gone"], "there is no policy file or folder of that name"),
        (["--policy-digest", "sha256:1"], "'sha256:1' is no digest; write sha256:"),
        (["--max-age", "a month"], "'a month' is no duration; write 30d"),
        (["--max-age", "999999d"], "is no duration; write 30d"),
    ],
)
def test_what_cannot_be_read_ends_with_2(
    options: list[str],
    said: str,
    scanned: Callable[..., Ended],
    verify: Verify,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scanned()
    monkeypatch.chdir(files.folder)
    Path("notes").write_text("no JSON")
    Path("deep").write_text("[" * 10**6)
    Path("large").write_text(" " * (2**23 + 1))
    ended = verify(*options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_a_model_that_is_not_there_ends_with_2(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    scanned()
    ended = verify(model=files.folder / "gone.onnx")
    assert (ended.code, ended.out) == (2, "")
    assert "gone.onnx: there is no such file or folder" in ended.err


def test_what_verify_says_of_odd_names_does_not_act_on_a_terminal(
    scanned: Callable[..., Ended], verify: Verify, files: Files
) -> None:
    scanned()
    folder = files.folder / "folder\x1b[2J"
    folder.mkdir()
    (folder / "\x1b[2J").write_text("")
    ended = verify(model=folder)
    assert ended.code == 1
    assert "\x1b" not in ended.out


def test_a_scan_signs_only_into_a_folder_and_with_a_key_that_can_be_read(
    command: Command, files: Files, keys: Path
) -> None:
    scan = ("scan", files.model, "--probes", files.probes, "--policy", files.policy)
    ended = command(*scan, "--signing-key", keys / "signing.key")
    assert (ended.code, ended.out) == (2, "")
    assert "name a folder for it with --out" in ended.err
    (keys / "signing.key").write_text("no key")
    ended = command(*scan, "--out", files.folder, "--signing-key", keys / "signing.key")
    assert (ended.code, ended.out) == (2, "")
    assert "the signing key cannot be read" in ended.err
    assert not (files.folder / "report.json").exists()


def test_what_was_changed_during_a_scan_is_not_signed(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    output = output_of(model)
    require_unchanged(model, output)
    (model / "empty").write_bytes(b"no more")
    with pytest.raises(ScanError, match="was changed during the scan, so nothing is signed"):
        require_unchanged(model, output)
