import hashlib
from pathlib import Path

import pytest

from xray_gate.core.file_digest import file_digest, folder_digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.npz"
    path.write_bytes(b"pixels")
    return path


def test_a_files_digest_is_the_hash_of_its_bytes(path: Path) -> None:
    assert file_digest(path) == f"sha256:{hashlib.sha256(b'pixels').hexdigest()}"


def test_names_bytes_and_order_count_in_a_folder(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.npz"
    other.write_bytes(b"labels")
    lists = [
        [("a", path)],
        [("b", path)],
        [("a", other)],
        [("a", path), ("b", other)],
        [("b", other), ("a", path)],
        [("a", path), ("b", path)],
    ]
    assert len({folder_digest(files) for files in lists}) == len(lists)


def test_a_name_that_is_no_text_counts_too(path: Path) -> None:
    assert folder_digest([("\udcff", path)]) != folder_digest([("x", path)])


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "nothing")
