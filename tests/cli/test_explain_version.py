"""`xray-gate policy explain NAME/VERSION` on a real database."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow.entities.model_registry import RegisteredModelTag

from tests.support.evidence import (
    backdoored,
    clean,
    day,
    evidence_of,
    unscannable,
    write_exception,
    write_policy,
)
from tests.support.gate import Gate
from xray_gate.cli.main import cli
from xray_gate.core.errors import InputError
from xray_gate.policy.files import read_policies
from xray_gate.registry.gated_store import GatedStore
from xray_gate.registry.revoking import revoke
from xray_gate.scan.work import VersionKey


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    return Gate(database, tmp_path / "policies")


def bound(number: float) -> dict[str, Any]:
    """The detectors of a policy that refuses an entropy of `number` bits and less."""
    one = {"statistic": "renyi_entropy.unclipped", "bound": number, "source": "a test"}
    return {"model_xray": {"thresholds": [one]}}


def run(gate: Gate, *arguments: str) -> Result:
    where = ["--registry-uri", f"xray-gate+{gate.uri}"]
    return CliRunner().invoke(cli, ["policy", "explain", *arguments, *where], standalone_mode=False)


def lines(gate: Gate, target: str = "signs/1") -> list[str]:
    done = run(gate, target)
    assert done.exception is None, done.exception
    assert done.return_value == 0
    return [line.strip() for line in done.stdout.splitlines()]


def read(gate: Gate, target: str = "signs/1") -> dict[str, Any]:
    (found,) = json.loads(run(gate, target, "--format", "json").stdout)
    assert isinstance(found, dict)
    return found


def test_a_refused_version_shows_number_bound_and_what_it_takes(gate: Gate) -> None:
    gate.judged(backdoored())
    text = lines(gate)
    assert text[0] == "signs/1  refused"
    assert text[1] == "Under the server's policies as they are now:"
    assert text[2].startswith("policy    images (sha256:")
    assert "accuracy  100.0% on the probes, at least 50.0%: holds" in text
    assert "rule      model_xray (required): failed" in text
    held = "renyi_entropy.unclipped 0.2 (suspicious at or below 1; a test) <- suspicious"
    assert held in text
    assert "so        failed, not admitted" in text
    assert "to pass   model_xray: renyi_entropy.unclipped above 1; it is 0.2" in text
    assert any(line.startswith("A promotion is refused now: the verdict under") for line in text)
    assert text[-1] == "which is the server's policy of now."


def test_an_admitted_version_needs_nothing(gate: Gate) -> None:
    gate.admitted()
    text = lines(gate)
    assert "so        passed, admitted" in text
    assert "A promotion is granted now." in text
    assert not any(line.startswith("to pass") for line in text)
    found = read(gate)
    assert (found["state"], found["current"]["to_pass"]) == ("admitted", [])
    assert found["promotion"] == {"refused": False, "reason": None, "files_to_compare": False}
    assert found["recorded"]["same_policy"] is True
    assert found["recorded"]["judged"] is None


def test_json_holds_every_number_with_its_bound(gate: Gate) -> None:
    gate.judged(backdoored())
    found = read(gate)
    (rule,) = found["current"]["rules"]
    assert (rule["detector"], rule["mode"], rule["outcome"]) == ("model_xray", "required", "failed")
    assert rule["numbers"] == [
        {
            "statistic": "renyi_entropy.unclipped",
            "measured": 0.2,
            "bound": 1.0,
            "suspicious": "below",
            "source": "a test",
            "beyond": True,
        }
    ]
    assert found["current"]["probe_accuracy"] == {"measured": 1.0, "at_least": 0.5}
    assert found["promotion"]["refused"] is True


def test_a_changed_policy_is_shown_beside_the_one_that_was_recorded(gate: Gate) -> None:
    gate.judged(evidence_of(1.2))
    gate.set_policy(detectors=bound(1.5))
    # The server writes its policies down when somebody registers.
    gate.register("signs-other")
    text = lines(gate)
    assert "so        failed, not admitted" in text
    changed = text.index("which was changed since:")
    setting = "detectors.model_xray.thresholds.renyi_entropy.unclipped"
    assert text[changed + 1].startswith(f"stricter  {setting}: ")
    then = text[text.index("Under that policy:") :]
    assert "so        passed, admitted" in then
    assert any("suspicious at or below 1;" in line for line in then)
    assert any("suspicious at or below 1.5;" in line for line in text[:changed])
    found = read(gate)
    assert found["current"]["verdict"] == "failed"
    assert found["recorded"]["verdict"] == "passed"
    assert found["recorded"]["judged"]["verdict"] == "passed"
    assert found["recorded"]["policy"] != found["current"]["policy"]


def test_a_policy_that_nobody_kept_leaves_what_was_recorded(gate: Gate) -> None:
    gate.judged(evidence_of(1.2))
    gate.set_policy(detectors=bound(1.5))
    gate.register("signs-other")
    with gate.connection() as connection:
        connection.exec_driver_sql(
            "DELETE FROM xray_gate_policy_sets WHERE id = "
            "(SELECT min(id) FROM xray_gate_policy_sets)"
        )
    text = lines(gate)
    at = text.index("which is not kept in the ledger, or judged nothing; it said:")
    assert text[at + 1].startswith("reason    model_xray: ")
    assert read(gate)["recorded"]["judged"] is None


def test_under_audit_the_verdict_and_the_admission_are_two_things(gate: Gate) -> None:
    gate.set_policy(enforcement="audit")
    gate.judged(backdoored())
    text = lines(gate)
    assert "so        failed, admitted (audit)" in text
    assert "A promotion is granted now." in text
    assert read(gate)["current"]["mode"] == "audit"


@pytest.mark.parametrize(("mode", "granted"), [("warn", True), ("enforce", False)])
def test_what_counts_is_the_mode_at_a_promotion(gate: Gate, mode: str, granted: bool) -> None:
    gate.set_policy(enforcement={"registration": "audit", "promotion": mode})
    gate.judged(backdoored())
    assert read(gate)["promotion"]["refused"] is not granted
    assert read(gate)["current"]["admitted"] is granted


def test_where_promotions_ask_for_nothing_a_waiting_version_may_be_promoted(gate: Gate) -> None:
    gate.set_policy(enforcement={"promotion": "off"})
    gate.register()
    assert "A promotion is granted now." in lines(gate)


def test_tags_choose_the_policy_as_at_a_promotion(gate: Gate) -> None:
    tagged = {"registered_models": ["signs*"], "tags": {"stage": "production"}}
    gate.set_policy("strict", match=tagged, precedence=1, detectors=bound(1.5))
    gate.judged(evidence_of(1.2))
    assert read(gate)["current"]["policy"]["name"] == "images"
    gate.store.set_registered_model_tag("signs", RegisteredModelTag("stage", "production"))
    found = read(gate)
    assert found["current"]["policy"]["name"] == "strict"
    assert found["promotion"]["refused"] is True


def test_a_required_detector_that_was_not_measured_is_named(gate: Gate) -> None:
    gate.judged(clean())
    gate.set_policy(detectors={**bound(1.0), "trigger_sweep": {}})
    gate.register("signs-other")
    text = lines(gate)
    assert "rule      trigger_sweep (required): missing" in text
    assert "so        undecided, not admitted" in text


def test_an_unscannable_version_says_what_to_do_next(gate: Gate) -> None:
    gate.judged(unscannable())
    text = lines(gate)
    assert "reason    the model cannot be opened; save it as ONNX" in text
    step = "to pass   the next step that the reasons name, and then `xray-gate rescan signs/1`"
    assert step in text


def test_a_version_that_waits_has_nothing_to_explain(gate: Gate) -> None:
    gate.register()
    text = lines(gate)
    assert text[:2] == [
        "signs/1  waiting",
        "no evidence: there is no scan that a policy could judge",
    ]
    assert text[2].startswith("A promotion is refused now: it waits for a scan")
    found = read(gate)
    assert (found["current"], found["recorded"], found["digest"]) == (None, None, None)


def test_a_withdrawn_version_says_so_although_its_evidence_passes(gate: Gate) -> None:
    gate.admitted()
    make_session = gate.plain.ManagedSessionMaker
    revoke(make_session, gate.ledger, VersionKey("default", "signs", 1), "stolen", "me", 1.0)
    text = lines(gate)
    assert text[0] == "signs/1  revoked"
    assert any(
        line.startswith("A promotion is refused now: it was withdrawn by me: stolen")
        for line in text
    )


def test_two_policies_that_claim_the_name_admit_nothing(gate: Gate) -> None:
    gate.judged(clean())
    gate.set_policy("twin", match={"registered_models": ["si*"]})
    policies = read_policies(gate.folder)
    with gate.connection() as connection:
        gate.ledger.remember_policies(connection, policies, 2.0)
    text = lines(gate)
    assert any(
        line.startswith("policy    none: signs: the policies images and twin") for line in text
    )
    refused = "A promotion is refused now: the server's policies cannot be used"
    assert any(line.startswith(refused) for line in text)


def test_what_a_registrant_wrote_cannot_steer_the_terminal(gate: Gate) -> None:
    gate.judged(unscannable("broken \x1b[2J\nsigns/1  admitted; \u202esave it as ONNX"))
    shown = run(gate, "signs/1").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\nsigns/1  admitted" not in shown


def test_the_name_of_a_file_is_a_file(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.judged(clean())
    monkeypatch.chdir(tmp_path)
    write_policy(tmp_path / "signs", {"name": "1"}).rename(tmp_path / "signs" / "1")
    done = run(gate, "signs/1")
    assert "apiVersion: is missing" in str(done.exception)


def test_json_of_a_policy_file_holds_every_setting(gate: Gate) -> None:
    (found,) = json.loads(run(gate, str(gate.folder), "--format", "json").stdout)
    (policy,) = found["policies"]
    assert policy["name"] == "images"
    assert policy["settings"]["min_probe_accuracy"] == 0.5
    assert policy["settings"]["detectors.trigger_sweep.mode"] == "off"


def test_unknown_versions_and_a_missing_registry_are_usage_errors(gate: Gate) -> None:
    gate.admitted()
    assert "has seen no such version" in str(run(gate, "signs/7").exception)
    done = CliRunner().invoke(cli, ["policy", "explain", "signs/1"], standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert "for a version of the registry give --registry-uri" in str(done.exception)


def test_an_exception_that_admits_it_is_named(gate: Gate) -> None:
    gate.set_policy(exceptions={"most_days": 30})
    write_exception(gate.folder)
    gate.judged(backdoored())
    text = lines(gate)
    assert "so        failed, admitted" in text
    at = text.index("so        failed, admitted")
    assert text[at + 1].startswith("exception admitted by 1 exception, expires in ")
    assert text[at + 2] == "known-attractor: model_xray, ticket PLAT-7"
    assert "A promotion is granted now." in text
    (told,) = read(gate)["current"]["exceptions"]
    assert (told["name"], told["expires"]) == ("known-attractor", day(12))
    assert read(gate)["promotion"]["refused"] is False


def test_one_that_has_ended_is_not(gate: Gate) -> None:
    gate.set_policy(exceptions={"most_days": 30})
    gate.judged(backdoored())
    write_exception(gate.folder, created=day(-9), expires=day(-1))
    GatedStore(gate.uri, gate.parts)
    assert "so        failed, not admitted" in lines(gate)
    assert read(gate)["current"]["exceptions"] == []
    assert read(gate)["promotion"]["refused"] is True


def test_a_version_without_any_policy_says_so(gate: Gate) -> None:
    gate.set_policy(match={"registered_models": ["signs"]})
    gate.register("cars")
    text = lines(gate, "cars/1")
    at = next(number for number, line in enumerate(text) if line.startswith("Recorded "))
    assert text[at].endswith("undecided, not admitted, by no policy")
    assert text[at + 1] == "since none could be used for it:"
    assert text[at + 2].startswith("reason    no policy matches the registered model 'cars'")
