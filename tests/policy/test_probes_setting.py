"""Where a policy's clean samples lie, and what they must be."""

from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import document, write
from xray_gate.core.errors import PolicyError
from xray_gate.policy.explanation import explain_policy
from xray_gate.policy.files import Policy, read_policy
from xray_gate.policy.review import findings

DIGEST = f"sha256:{'0f' * 32}"
STORES = ["mlflow-artifacts:/probes.npz", "s3://bucket/p.npz", "runs:/abc/p.npz", "file:///p.npz"]


def read(folder: Path, probes: Any) -> Policy:
    return read_policy(write(folder / "p.yaml", document(trigger_sweep={}, probes=probes)))


def test_a_path_is_beside_the_policy_with_a_digest_or_without(tmp_path: Path) -> None:
    plain = read(tmp_path, "probes.npz")
    held = read(tmp_path, {"uri": "probes.npz", "digest": DIGEST})
    assert plain.probes == held.probes == (tmp_path / "probes.npz").resolve()
    assert (plain.probes_uri, held.probes_uri) == (None, None)
    assert (plain.probes_digest, held.probes_digest) == (None, DIGEST)


@pytest.mark.parametrize("uri", STORES)
def test_a_place_in_a_store_is_kept_as_it_is(tmp_path: Path, uri: str) -> None:
    found = read(tmp_path, {"uri": uri, "digest": DIGEST})
    assert (found.probes, found.probes_uri, found.probes_digest) == (None, uri, DIGEST)
    assert f"  Probes: {uri}, with the digest {DIGEST}." in explain_policy(found)
    assert not any("probes" in text for text in findings(found))


@pytest.mark.parametrize("uri", STORES)
def test_a_place_in_a_store_needs_a_digest(tmp_path: Path, uri: str) -> None:
    with pytest.raises(PolicyError, match=r"p\.yaml:\d+: probes: is a place that others .*`uri`"):
        read(tmp_path, uri)
    with pytest.raises(PolicyError, match=r"p\.yaml:\d+: probes\.digest: is missing; add it"):
        read(tmp_path, {"uri": uri})


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        (
            {"uri": "p.npz", "digest": "sha256:12"},
            "is 'sha256:12'; write `sha256:` and 64 ",
        ),
        (
            {"uri": "p.npz", "digest": DIGEST.upper()},
            r"digest: is '.*; write `sha256:` and",
        ),
        (
            {"uri": "p.npz", "digest": f"{DIGEST}\n"},
            r"digest: is '.*; write `sha256:` and",
        ),
        ({"uri": "", "digest": DIGEST}, r"probes\.uri: is '', too short; give it at least 1"),
        ({"url": "p.npz", "digest": DIGEST}, r"probes\.url: is not a setting; did you mean `uri`"),
        (["p.npz"], "probes: is neither a path nor a mapping of `uri` and `digest`"),
        (7, "probes: is neither a path nor a mapping"),
    ],
)
def test_anything_else_is_an_error(tmp_path: Path, probes: Any, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        read(tmp_path, probes)


def test_the_digest_decides_and_the_place_does_not(tmp_path: Path) -> None:
    plain, other = read(tmp_path, "a.npz"), read(tmp_path, "b.npz")
    held = read(tmp_path, {"uri": "a.npz", "digest": DIGEST})
    elsewhere = read(tmp_path, {"uri": STORES[0], "digest": DIGEST})
    changed = read(tmp_path, {"uri": "a.npz", "digest": f"sha256:{'1f' * 32}"})
    assert plain.digest == other.digest
    assert held.digest == elsewhere.digest
    assert len({plain.digest, held.digest, changed.digest}) == 3


@pytest.mark.parametrize("probes", ["a.npz", {"uri": STORES[1], "digest": DIGEST}])
def test_the_ledger_gives_back_what_it_was_given(tmp_path: Path, probes: Any) -> None:
    kept = read(tmp_path, probes)
    again = Policy.from_json(kept.to_json())
    assert again.digest == kept.digest
    assert again.to_json() == kept.to_json()
    assert (again.probes, again.probes_uri) == (kept.probes, kept.probes_uri)
    assert again.probes_digest == kept.probes_digest
