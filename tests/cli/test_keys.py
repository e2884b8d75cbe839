import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_is_made_listed_and_replaced(command: Command, folder: Path) -> None:
    made = command("keys", "new", "--out", folder)
    assert made.code == 0
    renewed = command("keys", "rotate", "--out", folder, "--overlap", "2h")
    assert renewed.code == 0
    assert made.out != renewed.out
    listed = command("keys", "list", folder, "--format", "json")
    old, new = json.loads(listed.out)
    assert [old["key_id"], new["key_id"]] == [made.out.strip(), renewed.out.strip()]
    assert old["valid_until"] is not None
    assert new["valid_until"] is None
    text = command("keys", "list", folder / "trust.json").out.splitlines()
    assert text[1] == f"{new['key_id']}  from {new['valid_from']} until further notice"
    bare = command("keys", "list", folder / "signing.pub").out
    assert bare == f"{new['key_id']}  from always until further notice\n"


def test_nothing_shows_the_private_key(command: Command, folder: Path) -> None:
    said = command("keys", "new", "--out", folder)
    secret = (folder / "signing.key").read_text().splitlines()[1]
    said_later = command("--verbose", "keys", "rotate", "--out", folder)
    later = (folder / "signing.key").read_text().splitlines()[1]
    for text in (said.out, said.err, said_later.out, said_later.err):
        assert secret not in text
        assert later not in text


@pytest.mark.parametrize("way", ["variable", "file", "variable of the file"])
def test_a_passphrase_encrypts_the_key(
    way: str,
    command: Command,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "passphrase"
    file.write_text("open sesame\n")
    options: list[object] = []
    if way == "variable":
        monkeypatch.setenv("XRAY_GATE_KEY_PASSPHRASE", "open sesame")
    elif way == "file":
        options = ["--passphrase-file", file]
    else:
        monkeypatch.setenv("XRAY_GATE_KEY_PASSPHRASE_FILE", str(file))
    ended = command("keys", "new", "--out", folder, *options)
    assert ended.code == 0
    assert "ENCRYPTED" in (folder / "signing.key").read_text()
    assert "sesame" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new"], "Missing option '--out'"),
        (["new", "--out", "tree/keys"], "lies in the git work tree"),
        (["new", "--out", "file/keys"], "the key cannot be written there (Not a directory)"),
        (["new", "--out", "x" * 300], "the key cannot be written there (File name too long)"),
        (["rotate", "--out", "x" * 300], "the key cannot be written there (File name too long)"),
        (["rotate", "--out", "nothing"], "holds no signing.key; make one with"),
        (["rotate", "--out", "nothing", "--overlap", "soon"], "'soon' is no duration; write 30d"),
        (["list", "nothing"], "nothing: there is no such file; name the trust file"),
        (["new", "--out", "keys", "--passphrase-file", "gone"], "gone: there is no such file"),
        (["new", "--out", "keys", "--passphrase", "sesame"], "No such option"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_says_why(
    arguments: list[str],
    said: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree" / ".git").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    ended = command("keys", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())
    assert not list(tmp_path.rglob("signing.key"))
