"""Commands on a registry that is there, and on a path where there is none."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from xray_gate.core.errors import InputError
from xray_gate.wiring.stores import existing_store

COMMANDS = [
    ["status"],
    ["status", "signs/1"],
    ["log"],
    ["log", "--head"],
    ["log", "--check"],
    ["rescan", "signs/1"],
    ["revoke", "signs/1", "--reason", "it leaked"],
    ["policy", "explain", "signs/1"],
    ["policy", "replay", "policies/strict.yaml"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_mistyped_path_is_an_error_and_makes_no_registry(
    arguments: list[str], tmp_path: Path, command: Command
) -> None:
    place = tmp_path / "mlfow.db"
    ended = command(*arguments, "--registry-uri", f"xray-gate+sqlite:///{place}")
    assert (ended.code, ended.out) == (2, "")
    assert f"there is no database {place}; after sqlite:/// a path counts from" in ended.err
    assert not place.exists()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no database"):
        existing_store(f"xray-gate+sqlite:///{tmp_path}")


def test_a_registry_that_is_there_is_opened(sqlite_database: str) -> None:
    store = existing_store(f"xray-gate+{sqlite_database}")
    assert store.search_registered_models() == []
