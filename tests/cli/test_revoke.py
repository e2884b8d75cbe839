"""`xray-gate revoke` on a real database."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.gate import Gate
from xray_gate.cli.main import cli
from xray_gate.core.errors import InputError


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    found = Gate(sqlite_database, tmp_path / "policies")
    found.admitted()
    found.store.set_registered_model_alias("signs", "champion", 1)
    return found


def run(gate: Gate, *arguments: str) -> Result:
    where = ["--registry-uri", f"xray-gate+{gate.uri}"]
    return CliRunner().invoke(
        cli, ["revoke", *arguments, *where], standalone_mode=False, catch_exceptions=True
    )


def test_it_lists_what_is_still_promoted(gate: Gate) -> None:
    done = run(gate, "signs/1", "--reason", "stolen data", "--by", "ann")
    assert done.return_value == 0
    assert done.stdout == (
        f"withdrawn: sha256:{'ab' * 32}\n  signs/1; still promoted: alias champion\n"
    )
    version = gate.store.get_model_version("signs", 1)
    assert version.status_message.startswith("xray-gate: withdrawn by ann: stolen data.")


def test_json_is_for_programs(gate: Gate) -> None:
    done = run(gate, "signs/1", "--reason", "stolen data", "--format", "json")
    assert json.loads(done.stdout) == {
        "digest": f"sha256:{'ab' * 32}",
        "versions": [
            {
                "workspace": "default",
                "name": "signs",
                "version": 1,
                "aliases": ["champion"],
                "stage": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["signs", "--reason", "why"], "signs: name one version, as in signs/3"),
        (["signs/1", "--reason", " "], "--reason is empty"),
        (["signs/9", "--reason", "why"], "signs/9: has not been scanned"),
    ],
)
def test_what_cannot_be_withdrawn_changes_nothing(
    gate: Gate, arguments: list[str], message: str
) -> None:
    done = run(gate, *arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert gate.store.get_model_version("signs", 1).status == "READY"
