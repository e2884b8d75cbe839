import os
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.signing.making import NOW, days
from xray_gate.core.errors import InputError
from xray_gate.signing.key_folder import (
    new_key,
    passphrase_of,
    read_signing_key,
    rotate_key,
)
from xray_gate.signing.keys import PublicKey
from xray_gate.signing.trust import read_trust


def test_a_new_key_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key_id = new_key(tmp_path / "new" / "keys", None, NOW)
    finally:
        os.umask(before)
    folder = tmp_path / "new" / "keys"
    assert {path.name for path in folder.iterdir()} == {"signing.key", "signing.pub", "trust.json"}
    assert stat.S_IMODE((folder / "signing.key").stat().st_mode) == 0o600
    assert read_signing_key(folder / "signing.key", None).public.key_id == key_id
    assert PublicKey.from_pem((folder / "signing.pub").read_bytes()).key_id == key_id
    (trusted,) = read_trust(folder).values()
    assert (trusted.valid_from, trusted.valid_until) == (NOW, None)


def test_a_passphrase_encrypts_the_key_on_disk(tmp_path: Path) -> None:
    new_key(tmp_path / "keys", b"sesame", NOW)
    path = tmp_path / "keys" / "signing.key"
    assert b"ENCRYPTED" in path.read_bytes()
    read_signing_key(path, b"sesame")
    with pytest.raises(InputError, match="the passphrase is wrong"):
        read_signing_key(path, b"Sesame")


@pytest.mark.parametrize("inside", [".", "deep/down"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_no_key_is_written_into_a_work_tree(inside: str, kind: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / inside).mkdir(parents=True)
    if kind == "folder":
        (tree / ".git").mkdir()
    else:
        # As in a linked work tree or a submodule.
        (tree / ".git").write_text("gitdir: elsewhere\n")
    with pytest.raises(InputError, match=r"lies in the git work tree .*; name a folder outside"):
        new_key(tree / inside / "keys", None, NOW)
    (tmp_path / "link").symlink_to(tree / inside)
    with pytest.raises(InputError, match="lies in the git work tree"):
        new_key(tmp_path / "link" / "keys", None, NOW)
    assert not list(tree.rglob("*.key"))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    new_key(tmp_path, None, NOW)
    before = (tmp_path / "signing.key").read_bytes()
    with pytest.raises(InputError, match="holds a key already; replace it with `xray-gate keys"):
        new_key(tmp_path, None, NOW)
    assert (tmp_path / "signing.key").read_bytes() == before


def test_a_rotation_replaces_the_key_and_ends_the_old_one(tmp_path: Path) -> None:
    first = new_key(tmp_path, None, NOW)
    old = (tmp_path / "signing.key").read_bytes()
    second = rotate_key(tmp_path, None, NOW + days(10), timedelta(hours=1))
    third = rotate_key(tmp_path, b"sesame", NOW + days(20), timedelta(hours=1))
    trust = read_trust(tmp_path)
    assert [*trust] == [first, second, third]
    ends: list[datetime | None] = [trust[key_id].valid_until for key_id in trust]
    assert ends == [
        NOW
        + days(
            10,
        )
        + timedelta(hours=1),
        NOW + days(20) + timedelta(hours=1),
        None,
    ]
    assert read_signing_key(tmp_path / "signing.key", b"sesame").public.key_id == third
    assert old not in {path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == {
        *("signing.key", "signing.pub", "trust.json")
    }


def test_a_key_that_ended_before_is_not_prolonged(tmp_path: Path) -> None:
    first = new_key(tmp_path, None, NOW)
    rotate_key(tmp_path, None, NOW + days(1), timedelta(0))
    rotate_key(tmp_path, None, NOW + days(2), days(30))
    assert read_trust(tmp_path)[first].valid_until == NOW + days(1)


def test_only_a_key_can_be_rotated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no signing\.key; make one with `xray-gate keys"):
        rotate_key(tmp_path, None, NOW, days(1))


def test_two_rotations_at_once_are_one(tmp_path: Path) -> None:
    new_key(tmp_path, None, NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    # Where another rotation is at work.
    (tmp_path / ".signing.key.part").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written there \\(File exists\\)"):
        rotate_key(tmp_path, None, NOW, days(1))
    (tmp_path / ".signing.key.part").unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_key_that_everybody_can_read_is_not_used(tmp_path: Path) -> None:
    new_key(tmp_path, None, NOW)
    path = tmp_path / "signing.key"
    path.chmod(0o604)
    with pytest.raises(InputError, match=r"everybody on this machine may use .*; chmod 600 it"):
        read_signing_key(path, None)
    path.chmod(0o440)
    read_signing_key(path, None)


@pytest.mark.parametrize("content", [b"", b"no key", b"x" * 70_000, b"\xff" * 100])
def test_what_is_no_key_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"no private key; give|larger than 65,536 bytes; name"):
        read_signing_key(path, None)
    with pytest.raises(InputError, match="there is no such file; name the signing key"):
        read_signing_key(tmp_path / "gone", None)


def test_a_passphrase_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b" two words \r\nand no more\n")
    assert passphrase_of({}, "PHRASE", None) is None
    assert passphrase_of({"PHRASE": "schlüssel"}, "PHRASE", None) == "schlüssel".encode()
    assert passphrase_of({}, "PHRASE", file) == b" two words "
    with pytest.raises(InputError, match="two passphrases; unset PHRASE or leave the file out"):
        passphrase_of({"PHRASE": "a"}, "PHRASE", file)
    file.write_bytes(b"\n")
    for environment, path in (({"PHRASE": ""}, None), ({}, file)):
        with pytest.raises(InputError, match="the passphrase is empty"):
            passphrase_of(environment, "PHRASE", path)
