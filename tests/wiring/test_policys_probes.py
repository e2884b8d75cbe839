"""The samples that a policy names, from where they lie, and no others."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.making import write_probes
from tests.policy.builders import policy
from xray_gate.core.errors import PolicyError, ScanError
from xray_gate.policy.files import Policy
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.wiring.scanning import load_probes, policys_probes

NOBODY = "http://127.0.0.1:9"


def from_a_store(folder: Path) -> Policy:
    path = write_probes(folder / "probes.npz")
    digest = load_probes(path, policy()).sha256
    return replace(policy(), probes_uri=path.as_uri(), probes_digest=digest)


def test_they_are_fetched_and_held_to_their_digest(tmp_path: Path) -> None:
    rules = from_a_store(tmp_path)
    assert policys_probes(rules, MlflowArtifacts(NOBODY)).sha256 == rules.probes_digest


def test_others_are_refused_with_what_they_are(tmp_path: Path) -> None:
    rules = from_a_store(tmp_path)
    write_probes(tmp_path / "probes.npz", count=27)
    with pytest.raises(
        PolicyError, match=r"have the digest sha256:\w{64}, and probes\.digest says"
    ):
        policys_probes(rules, MlflowArtifacts(NOBODY))
    at_a_path = replace(rules, probes_uri=None, probes=tmp_path / "probes.npz")
    with pytest.raises(PolicyError, match=r"probes\.npz have the digest .*; bring back"):
        policys_probes(at_a_path, MlflowArtifacts(NOBODY))


def test_what_is_not_there_is_no_set_of_samples(tmp_path: Path) -> None:
    rules = from_a_store(tmp_path)
    (tmp_path / "probes.npz").unlink()
    with pytest.raises(ScanError, match=r"could not be fetched"):
        policys_probes(rules, MlflowArtifacts(NOBODY))


def test_a_policy_without_probes_says_so() -> None:
    with pytest.raises(PolicyError, match="names no `probes`, and nothing can be scanned without"):
        policys_probes(policy(), MlflowArtifacts(NOBODY))
