"""`xray-gate break-glass`, and what `status` and `doctor` say of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.evidence import backdoored, day, write_exception
from tests.support.gate import Gate
from xray_gate.cli.main import cli
from xray_gate.core.errors import InputError

WHY = ("--justification", "the old one is down")


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    found = Gate(sqlite_database, tmp_path / "policies", triggers=True)
    found.set_policy(break_glass={"minutes": 60}, exceptions={"most_days": 30})
    found.judged(backdoored())
    found.work.heartbeat()
    return found


def call(gate: Gate, *arguments: str) -> Result:
    where = ["--registry-uri", f"xray-gate+{gate.uri}"]
    return CliRunner().invoke(cli, [*arguments, *where], standalone_mode=False)


def told(gate: Gate, *arguments: str) -> Any:
    done = call(gate, *arguments, "--format", "json")
    assert done.exception is None
    return json.loads(done.stdout)


def check(gate: Gate, name: str) -> dict[str, Any]:
    checks: list[dict[str, Any]] = told(gate, "doctor")["checks"]
    return {one["check"]: one for one in checks}[name]


def test_from_the_night_to_its_review(gate: Gate) -> None:
    asked = ("break-glass", "signs/1", "--alias", "champion", "--by", "ann", "--ticket", "T-1")
    lines = call(gate, *asked, *WHY).stdout.splitlines()
    assert lines[0] == "break-glass 1: signs/1, alias champion"
    assert lines[1].startswith("  by        ann ")
    assert lines[1].endswith(", not used")
    assert lines[2] == "  why       the old one is down (ticket T-1)"
    gate.store.set_registered_model_alias("signs", "champion", 1)

    shown = call(gate, "status").stdout
    assert "  break-glass 1: signs/1, alias champion" in shown
    assert "next: xray-gate break-glass --review 1 --by NAME --note TEXT" in shown
    (row,) = told(gate, "status")
    assert row["break_glass"][0]["review"] is None
    found = check(gate, "break-glass")
    assert found["outcome"] == "wrong"
    assert found["details"] == ["1: signs/1, alias champion, used; ann: the old one is down"]
    # It is on record as what it is, and not as something that came past the gate.
    assert check(gate, "promoted")["outcome"] == "ok"

    done = call(gate, "break-glass", "--review", "1", "--by", "bob", "--note", "retrained since")
    assert done.stdout.splitlines()[-1].startswith("  review    by bob ")
    assert "nothing is to be reviewed" in call(gate, "status").stdout
    assert "by bob" in call(gate, "status", "signs/1").stdout
    assert check(gate, "break-glass")["outcome"] == "ok"
    assert check(gate, "promoted")["outcome"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("signs", "--alias", "a", *WHY), "signs: name one version, as in signs/3"),
        (("--alias", "a", *WHY), "name the version, as in signs/3"),
        (("signs/1", *WHY), "name the one promotion that is meant"),
        (("signs/1", "--alias", "a", "--stage", "Staging", *WHY), "name the one promotion"),
        (("signs/1", "--stage", "Prod", *WHY), "Prod: is no stage; use Staging or Production"),
        (("signs/1", "--alias", "a"), "give --justification"),
        (("signs/1", "--alias", "a", "--justification", " "), "--justification is empty"),
        (("signs/1", "--alias", "a", "--justification", "x" * 2001), "longer than 2,000"),
        (("--review", "1"), "give --by and --note"),
        (("signs/1", "--review", "1", "--by", "b", "--note", "n"), "leave target out"),
        (("--review", "7", "--by", "b", "--note", "n"), "7: there is no such break-glass"),
    ],
)
def test_what_is_not_clear_lets_nothing_through(
    gate: Gate, arguments: tuple[str, ...], message: str
) -> None:
    done = call(gate, "break-glass", *arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert told(gate, "status") == []


def test_without_a_registry_it_says_so() -> None:
    done = CliRunner().invoke(cli, ["break-glass", "signs/1"], standalone_mode=False)
    assert "give --registry-uri" in str(done.exception)


def test_a_version_that_is_gone_is_still_to_be_reviewed(gate: Gate) -> None:
    call(gate, "break-glass", "signs/1", "--alias", "champion", *WHY)
    gate.store.delete_registered_model("signs")
    gate.judged(backdoored())
    (row,) = told(gate, "status")
    assert (row["state"], row["break_glass"][0]["id"]) == ("deleted", 1)
    assert check(gate, "break-glass")["outcome"] == "wrong"


def test_doctor_lists_what_is_promoted_on_an_exception_that_has_ended(gate: Gate) -> None:
    path = write_exception(gate.folder)
    gate.judged(backdoored())
    gate.store.set_registered_model_alias("signs", "champion", 2)
    found = check(gate, "exceptions")
    assert found["outcome"] == "ok"
    assert found["details"][0].startswith("signs/2: alias champion; expires in 1")
    path.unlink()
    # The server writes down what it sees when the next version comes.
    gate.register()
    found = check(gate, "exceptions")
    assert found["outcome"] == "wrong"
    assert found["details"] == [
        f"signs/2: alias champion; was admitted by known-attractor ({day(12)})"
    ]


def test_doctor_leaves_free_aliases_out(gate: Gate) -> None:
    gate.set_policy(exceptions={"most_days": 30}, promotion={"free_aliases": ["trial"]})
    path = write_exception(gate.folder)
    gate.judged(backdoored())
    gate.store.set_registered_model_alias("signs", "trial", 2)
    path.unlink()
    gate.register()
    assert check(gate, "exceptions")["text"] == "nothing is promoted on one"


def test_doctor_counts_what_was_scanned(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.unscanned("signs-old")
    gate.register()
    text = check(gate, "coverage")["text"]
    assert text.startswith("1 of 3 version(s) scanned, 0 of 0 that are promoted; 1 exception(s)")
