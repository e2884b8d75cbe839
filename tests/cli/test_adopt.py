"""`xray-gate adopt`: from a registry with a history to one that is enforced."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from mlflow.entities.model_registry import RegisteredModelTag

from tests.support.evidence import DIGEST, backdoored, clean, day
from tests.support.gate import Gate
from xray_gate.cli.main import cli
from xray_gate.core.errors import InputError, PolicyError
from xray_gate.registry.gated_store import GatedStore


@pytest.fixture
def gate(sqlite_database: str, tmp_path: Path) -> Gate:
    """A champion and another version from before the gate, and a name without a policy."""
    made = Gate(sqlite_database, tmp_path / "policies", triggers=True)
    made.set_policy(
        enforcement="audit", unsafe_allow_unscanned_reads=True, exceptions={"most_days": 30}
    )
    with made.without_triggers():
        made.plain.create_registered_model("signs")
        for _ in range(2):
            made.plain.create_model_version("signs", "s3://models/signs")
        made.plain.set_registered_model_alias("signs", "champion", 2)
        made.plain.create_registered_model("cats")
        made.plain.create_model_version("cats", "s3://models/cats")
        made.plain.create_prompt("greeting")
        made.plain.create_prompt_version("greeting", "Hello")
    restart(made)
    return made


def restart(gate: Gate) -> None:
    """A server that starts writes its policies down."""
    GatedStore(gate.uri, gate.parts)


def call(gate: Gate, *arguments: str) -> Result:
    where = ["--registry-uri", f"xray-gate+{gate.uri}"]
    return CliRunner().invoke(cli, ["adopt", *arguments, *where], standalone_mode=False)


def told(gate: Gate, *arguments: str) -> Any:
    done = call(gate, *arguments, "--format", "json")
    assert done.exception is None
    return json.loads(done.stdout)


def test_it_says_what_stands_there_and_changes_nothing(gate: Gate) -> None:
    lines = call(gate).stdout.splitlines()
    assert lines == [
        "0 of 3 version(s) scanned, 0 of 1 that are promoted; 0 wait(s). 2 registered model(s).",
        "  signs/2: alias champion; no verdict (before the gate)",
        "no policy, so left alone: cats; add them to match.registered_models of one",
        "next: xray-gate adopt --queue, so that what was never scanned is",
        "next: xray-gate policy replay DIR --as-enforced: what a step to enforce would refuse",
        "next: xray-gate adopt --write-exceptions DIR --days N: for what has to stay meanwhile",
    ]
    found = told(gate)
    assert found["coverage"]["waiting"] == 0
    assert found["queued"] == []
    assert [one["name"] for one in found["versions"]] == ["cats", "signs", "signs"]
    assert found["versions"][2]["aliases"] == ["champion"]
    assert [one["closed"] for one in found["versions"]] == [True, False, False]


def test_what_has_no_policy_is_left_alone(gate: Gate) -> None:
    assert told(gate, "--queue")["queued"] == ["signs/2", "signs/1"]
    found = call(gate).stdout
    assert "next: xray-gate runner, until none waits" in found
    assert gate.store.get_model_version("cats", 1).status == "READY"


def test_it_warns_of_what_would_be_closed(gate: Gate) -> None:
    gate.set_policy(exceptions={"most_days": 30})
    restart(gate)
    found = call(gate).stdout
    assert "not handed out before their verdict: signs/2;" in found
    assert "enforced by images: what is promoted and does not pass" in found


def test_from_audit_to_enforce_by_exceptions_that_end(gate: Gate) -> None:
    call(gate, "--queue")
    gate.settle(backdoored())
    gate.settle(clean())
    replayed = CliRunner().invoke(
        cli,
        [
            *("policy", "replay", str(gate.folder), "--as-enforced"),
            *("--registry-uri", f"xray-gate+{gate.uri}"),
        ],
        standalone_mode=False,
    )
    assert "signs/2: failed, admitted -> failed, refused" in replayed.stdout

    (path,) = told(gate, "--write-exceptions", str(gate.folder), "--days", "14")[
        "exceptions_written"
    ]
    draft = yaml.safe_load(Path(path).read_text())
    assert (draft["model"], draft["rule"], draft["policy"]) == (DIGEST, "model_xray", "images")
    assert str(draft["expires"]) == day(14)
    assert "# signs/2: promoted, and refused" in Path(path).read_text()
    # Nobody has filled it in: it admits nothing, and a check says what is missing.
    gate.set_policy(exceptions={"most_days": 30})
    (problem, *_) = gate.parts.policies().problems
    assert "owner" in problem

    text = Path(path).read_text()
    for key in ("owner", "reason", "ticket"):
        text = text.replace(f'{key}: ""', f"{key}: somebody said so")
    Path(path).write_text(text)
    assert gate.parts.policies().problems == ()
    gate.store.set_registered_model_alias("signs", "blue", 2)
    assert (
        told(gate, "--write-exceptions", str(gate.folder), "--days", "14")["exceptions_written"]
        == []
    )


def test_a_draft_that_is_there_is_left_alone(gate: Gate) -> None:
    call(gate, "--queue")
    gate.settle(backdoored())
    first = told(gate, "--write-exceptions", str(gate.folder), "--days", "14")
    assert len(first["exceptions_written"]) == 1
    Path(first["exceptions_written"][0]).write_text("somebody is at work")
    again = told(gate, "--write-exceptions", str(gate.folder), "--days", "14")
    assert again["exceptions_written"] == []
    assert Path(first["exceptions_written"][0]).read_text() == "somebody is at work"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--write-exceptions", "."), "give --write-exceptions DIR together with --days"),
        (("--days", "3"), "give --write-exceptions DIR together with --days"),
        (("--write-exceptions", "/no/such", "--days", "3"), "/no/such: is no folder"),
        (("--write-exceptions", ".", "--days", "31"), "policy images allows 30 days at most"),
    ],
)
def test_what_cannot_be_done_is_said(gate: Gate, arguments: tuple[str, ...], message: str) -> None:
    call(gate, "--queue")
    gate.settle(backdoored())
    done = call(gate, *arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_a_registry_without_a_server_says_so(sqlite_database: str) -> None:
    done = CliRunner().invoke(
        cli, ["adopt", "--registry-uri", f"xray-gate+{sqlite_database}"], standalone_mode=False
    )
    assert isinstance(done.exception, PolicyError)
    assert "no MLflow server with the gate has used this registry yet" in str(done.exception)


def by_name(gate: Gate) -> dict[str, Any]:
    found = told(gate)["versions"]
    return {f"{one['name']}/{one['version']}": (one["policies"], one["closed"]) for one in found}


def test_tags_and_flavours_choose_the_policy(gate: Gate) -> None:
    cats = {"registered_models": ["cats"], "flavours": ["onnx"]}
    gate.set_policy("onnx-cats", match=cats, unsafe_allow_unscanned_reads=True)
    dev = {"registered_models": ["signs*"], "tags": {"tier": "dev"}}
    gate.set_policy("dev", match=dev, precedence=1)
    restart(gate)
    # Whether the policy for cats is for this one is not known before its scan: until then, closed.
    assert by_name(gate)["cats/1"] == (["onnx-cats"], True)
    assert by_name(gate)["signs/2"] == (["images"], False)
    gate.plain.set_registered_model_tag("signs", RegisteredModelTag("tier", "dev"))
    assert by_name(gate)["signs/2"] == (["dev"], True)
    assert told(gate, "--queue")["queued"] == ["signs/2", "cats/1", "signs/1"]


def test_what_is_promoted_is_in_the_way_of_the_mode_at_registrations(gate: Gate) -> None:
    strict = "enforced by images"
    for places, is_told in (
        ({"registration": "audit"}, False),
        ({"promotion": "audit"}, True),
    ):
        gate.set_policy(enforcement=places, unsafe_allow_unscanned_reads=True)
        restart(gate)
        assert (strict in call(gate).stdout) is is_told


def test_drafts_are_made_by_the_policy_of_tags(gate: Gate, tmp_path: Path) -> None:
    dev = {"registered_models": ["signs*"], "tags": {"tier": "dev"}}
    gate.plain.set_registered_model_tag("signs", RegisteredModelTag("tier", "dev"))
    allowed = {"exceptions": {"most_days": 30}, "enforcement": "audit"}
    gate.set_policy("dev", match=dev, precedence=1, **allowed)
    restart(gate)
    gate.judged(backdoored())
    gate.store.set_registered_model_alias("signs", "blue", 3)
    folder = tmp_path / "drafts"
    folder.mkdir()
    (written,) = told(gate, "--write-exceptions", str(folder), "--days", "5")["exceptions_written"]
    assert yaml.safe_load(Path(written).read_text())["policy"] == "dev"
