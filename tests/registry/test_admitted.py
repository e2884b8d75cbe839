from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.runner.fakes import Files
from tests.support.evidence import backdoored, clean, evidence_of
from tests.support.gate import KEPT, Gate
from xray_gate.core.errors import InputError, PolicyError
from xray_gate.core.evidence import ModelFacts
from xray_gate.registry.admitted import AdmittedModels, admitted_models


def admitted(gate: Gate, folder: Path, name: str = "signs") -> AdmittedModels:
    make_session = gate.plain.ManagedSessionMaker
    return admitted_models(make_session, gate.ledger, Files(folder), "default", name)


def remember_policies(gate: Gate) -> None:
    """As a server does when it is asked for something."""
    with gate.connection() as connection:
        gate.ledger.remember_policies(connection, gate.parts.policies(), 1.0)


def test_versions_that_passed_are_references_by_the_digest_that_was_scanned(
    gate: Gate, tmp_path: Path
) -> None:
    facts = ModelFacts("models:/signs/2", "sha256:" + "ef" * 32, "onnx", 4, "sha256:kind")
    gate.admitted()
    gate.judged(evidence_of(1.8, model=facts), source="s3://models/second")
    first, second = admitted(gate, tmp_path).models
    assert (first.name, first.digest) == ("signs/1", "sha256:" + "ab" * 32)
    assert (second.name, second.place, second.group) == ("signs/2", "signs/2", None)
    assert (second.digest, second.architecture) == (facts.digest, "sha256:kind")


def test_files_are_fetched_from_the_place_that_was_scanned_and_only_when_needed(
    gate: Gate, tmp_path: Path
) -> None:
    gate.admitted()
    fetched = Files(tmp_path)
    make_session = gate.plain.ManagedSessionMaker
    found = admitted_models(make_session, gate.ledger, fetched, "default", "signs")
    assert fetched.fetched == []
    place: AbstractContextManager[Path] = found.models[0].files()
    with place as path:
        assert path.is_dir()
    assert fetched.fetched == [KEPT]


def test_whatever_is_not_admitted_by_its_evidence_is_left_out_with_the_reason(
    gate: Gate, tmp_path: Path
) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.set_policy(enforcement="audit")
    gate.judged(backdoored())
    gate.judged(evidence_of(1.9, detectors=()))
    gate.set_policy()
    gate.store.delete_model_version("signs", gate.admitted().version)
    gate.register()
    found = admitted(gate, tmp_path)
    assert [model.name for model in found.models] == ["signs/1"]
    assert found.left_out == [
        "signs/2: its verdict was failed",
        "signs/3: its verdict was failed",
        "signs/4: its verdict was undecided",
        "signs/6: it has no verdict yet",
    ]


def test_what_passed_in_a_trial_counts_by_its_evidence(gate: Gate, tmp_path: Path) -> None:
    gate.set_policy(enforcement="audit")
    gate.judged(clean())
    assert [model.name for model in admitted(gate, tmp_path).models] == ["signs/1"]


def test_a_version_has_to_pass_under_todays_policy_too(gate: Gate, tmp_path: Path) -> None:
    gate.judged(evidence_of(1.2))
    gate.judged(evidence_of(1.9))
    bounds = [{"statistic": "renyi_entropy.unclipped", "bound": 1.5, "source": "stricter"}]
    gate.set_policy(detectors={"model_xray": {"thresholds": bounds}})
    remember_policies(gate)
    found = admitted(gate, tmp_path)
    assert [model.name for model in found.models] == ["signs/2"]
    assert found.left_out == ["signs/1: its verdict under today's policy images is failed"]


def test_a_name_without_any_is_an_error_that_says_why(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sings: the gate has seen no version of it; check the na"):
        admitted(gate, tmp_path, "sings")
    gate.judged(backdoored())
    with pytest.raises(InputError, match=r"by its evidence \(signs/1: its verdict was failed\)"):
        admitted(gate, tmp_path)


def test_a_name_that_no_policy_or_two_match_is_an_error(gate: Gate, tmp_path: Path) -> None:
    gate.admitted()
    gate.set_policy("more")
    remember_policies(gate)
    with pytest.raises(
        PolicyError, match="the policies images and more match with the same precedence"
    ):
        admitted(gate, tmp_path)
    for name in ("images", "more"):
        gate.set_policy(name, match={"registered_models": [f"{name}-*"]})
    remember_policies(gate)
    with pytest.raises(InputError, match="no policy of the registry's server matches it"):
        admitted(gate, tmp_path)
