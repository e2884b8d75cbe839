"""`same_bytes: verify`: files are fetched and compared before each promotion."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.evidence import clean
from tests.support.gate import Gate, assert_refused
from xray_gate.core.evidence import Evidence
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.scan.digest import digest_of, file_digests


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "data" / "weights.bin").write_bytes(b"weights")
    return folder


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    found = Gate(database, tmp_path / "policies", fetch=MlflowArtifacts("http://127.0.0.1:9"))
    found.set_policy(same_bytes="verify")
    return found


def scanned(model: Path) -> Evidence:
    files, evidence = file_digests(model), clean()
    facts = replace(evidence.model, digest=digest_of(files), files=files)
    return replace(evidence, model=facts)


def register(gate: Gate, model: Path, name: str = "signs") -> None:
    gate.kept = None
    gate.judged(scanned(model), name, model.as_uri())


def alias(gate: Gate) -> None:
    gate.store.set_registered_model_alias("signs", "champion", 1)


def stage(gate: Gate) -> None:
    gate.store.transition_model_version_stage("signs", 1, "Production", True)


def copy(gate: Gate) -> None:
    gate.store.create_registered_model("signs-production")
    gate.store.create_model_version("signs-production", "models:/signs/1")


def rename(gate: Gate) -> None:
    gate.store.rename_registered_model("signs", "signs-production")


PROMOTIONS = pytest.mark.parametrize("promote", [alias, stage, copy, rename])


@PROMOTIONS
def test_what_is_as_it_was_scanned_is_promoted(
    gate: Gate, model: Path, promote: Callable[[Gate], Any]
) -> None:
    register(gate, model)
    # A download adds this; it is no part of the model.
    (model / "registered_model_meta").write_text("model_name: signs")
    promote(gate)
    name = "signs-production" if promote in (copy, rename) else "signs"
    version = gate.store.get_model_version(name, 1)
    assert version.status == "READY"
    assert version.aliases == (["champion"] if promote is alias else [])
    assert version.current_stage == ("Production" if promote is stage else "None")


@PROMOTIONS
def test_what_changed_since_is_refused_by_its_name(
    gate: Gate, model: Path, promote: Callable[[Gate], Any]
) -> None:
    register(gate, model)
    (model / "data" / "weights.bin").write_bytes(b"other weights")
    (model / "python_model.pkl").write_bytes(b"")
    (model / "MLmodel").unlink()
    with assert_refused(
        r"not those that were scanned \(changed: data/weights.bin; added: python_model.pkl; "
        r"missing: MLmodel\); register it again"
    ):
        promote(gate)
    assert gate.store.get_model_version("signs", 1).aliases == []


def test_files_that_are_gone_are_refused(gate: Gate, model: Path) -> None:
    register(gate, model)
    model.rename(model.with_name("elsewhere"))
    with assert_refused("its files cannot be compared with what was scanned: the files at file://"):
        alias(gate)


def test_a_server_that_cannot_read_files_promotes_nothing(
    database: str, tmp_path: Path, model: Path
) -> None:
    gate = Gate(database, tmp_path / "policies")
    gate.set_policy(same_bytes="verify")
    register(gate, model)
    with assert_refused("this server has no way to read its files"):
        alias(gate)


def test_what_the_gate_kept_itself_is_not_fetched(gate: Gate, model: Path) -> None:
    gate.judged(scanned(model), source=model.as_uri())
    model.rename(model.with_name("elsewhere"))
    alias(gate)
    assert gate.store.get_model_version("signs", 1).aliases == ["champion"]


def test_a_trial_compares_nothing(gate: Gate, model: Path) -> None:
    gate.set_policy(same_bytes="verify", enforcement="audit")
    register(gate, model)
    model.rename(model.with_name("elsewhere"))
    alias(gate)
    assert gate.store.get_model_version("signs", 1).aliases == ["champion"]


def test_a_write_that_was_not_compared_is_refused(gate: Gate, model: Path) -> None:
    """As by a method of a later MLflow, which promotes in a way that nobody knows yet."""
    register(gate, model)
    with (
        assert_refused("its files were not compared with what was scanned"),
        gate.store.ManagedSessionMaker(read_only=False) as session,
    ):
        row = gate.store._get_sql_model_version(session, "signs", 1)
        row.current_stage = "Production"
        session.flush()
