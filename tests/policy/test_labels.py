from pathlib import Path

import pytest

from xray_gate.core.errors import InputError
from xray_gate.policy.labels import read_labels


def test_versions_and_digests_have_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("# looked at in May\nsigns/1, clean\n\nsha256:ab,backdoored\nsigns/1,clean\n")
    assert read_labels(path) == {"signs/1": "clean", "sha256:ab": "backdoored"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("signs/1,clean\nsigns/2,dirty\n", "labels.csv:2: is not a version and its label"),
        ("signs/1\n", "labels.csv:1: is not a version and its label"),
        ("signs/1,clean,backdoored\n", "labels.csv:1: is not a version and its label"),
        ("signs/1,clean\nsigns/1,backdoored\n", "labels.csv:2: signs/1 has both labels"),
    ],
)
def test_half_of_the_labels_are_not_taken(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_labels(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as labels"):
        read_labels(path)
