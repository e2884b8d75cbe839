import pytest
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException

from tests.support.evidence import backdoored
from tests.support.gate import KEPT, Gate, assert_refused
from xray_gate.scan.work import VersionState


def test_a_copy_of_an_admitted_version_is_ready_at_once(gate: Gate) -> None:
    original = gate.admitted()
    copy = gate.store.copy_model_version(original, "signs-production")
    assert copy.status == "READY"
    assert copy.status_message == "xray-gate: passed (copy of admitted files)."
    assert gate.store.get_model_version_download_uri("signs-production", 1) == KEPT
    assert gate.work.claim() is None
    gate.store.set_registered_model_alias("signs-production", "champion", 1)


def test_the_copys_verdict_is_its_own_and_cites_its_policy(gate: Gate) -> None:
    gate.set_policy("staged", match={"registered_models": ["production-*"]})
    original = gate.admitted()
    gate.store.copy_model_version(original, "production-signs")
    registration = gate.registration("production-signs")
    assert registration is not None
    assert registration.state is VersionState.ADMITTED
    with gate.connection() as connection:
        (row,) = gate.ledger.verdicts(connection, registration)
        assert row.policy_name == "staged"
        assert gate.ledger.evidence_of(connection, registration) is not None


@pytest.mark.parametrize("kind", ["pending", "failed", "unscanned"])
def test_a_copy_of_anything_else_is_refused(gate: Gate, kind: str) -> None:
    original = {
        "pending": gate.register,
        "failed": lambda: gate.judged(backdoored()),
        "unscanned": gate.unscanned,
    }[kind]()
    with pytest.raises(MlflowException, match="xray-gate: signs/1 cannot be copied to 'signs-2'"):
        gate.store.copy_model_version(original, "signs-2")
    with assert_refused("signs/1 cannot be copied to 'signs-2'"):
        gate.store.create_model_version("signs-2", "models:/signs/1")
    assert gate.store.search_model_versions("name = 'signs-2'") == []


@pytest.mark.parametrize("source", ["models:/signs/1", "MODELS:/signs/1", "models:///signs/1"])
def test_a_copy_that_the_copys_policy_would_not_admit_is_refused(gate: Gate, source: str) -> None:
    bounds = [{"statistic": "renyi_entropy.unclipped", "bound": 5.0, "source": "stricter"}]
    strict = {"model_xray": {"thresholds": bounds}}
    gate.set_policy("strict", match={"registered_models": ["production-*"]}, detectors=strict)
    gate.admitted()
    gate.store.create_registered_model("production-signs")
    with assert_refused(r"beyond 5\.000 \(stricter\)"):
        gate.store.create_model_version("production-signs", source)


def test_a_policy_that_does_not_gate_copies_lets_them_wait_for_a_scan(gate: Gate) -> None:
    gate.set_policy(promotion={"copies": False})
    original = gate.register()
    copy = gate.store.copy_model_version(original, "signs-2")
    assert copy.status == "PENDING_REGISTRATION"
    with assert_refused("waits for a scan"):
        gate.store.set_registered_model_alias("signs-2", "champion", 1)
    with assert_refused("waits for a scan"):
        gate.store.get_model_version_download_uri("signs-2", 1)


@pytest.mark.parametrize(("glob", "gated"), [("SIGNS-*", True), ("production-*", False)])
def test_a_policy_may_name_where_copies_promote(gate: Gate, glob: str, gated: bool) -> None:
    gate.set_policy(promotion={"copies": [glob]})
    original = gate.register()
    if gated:
        with assert_refused("cannot be copied to 'signs-2'"):
            gate.store.copy_model_version(original, "signs-2")
    else:
        assert gate.store.copy_model_version(original, "signs-2").status == "PENDING_REGISTRATION"


def test_a_copy_points_to_the_files_that_were_scanned(gate: Gate) -> None:
    gate.admitted()
    gate.store.create_registered_model("signs-2")
    gate.store.create_model_version("signs-2", "models:/signs/1")
    registration = gate.registration("signs-2")
    assert registration is not None
    assert registration.location == KEPT


def test_a_copy_into_a_name_without_a_policy_fails(gate: Gate) -> None:
    original = gate.admitted()
    copy = gate.store.copy_model_version(original, "cats")
    assert copy.status == "FAILED_REGISTRATION"
    with assert_refused("no policy matches"):
        gate.store.set_registered_model_alias("cats", "champion", 1)


def test_a_copy_takes_the_clients_tags_and_gets_the_gates_own_anew(gate: Gate) -> None:
    original = gate.admitted(tags=[ModelVersionTag("team", "vision")])
    assert original.tags["xray_gate.verdict"] == "passed"
    copy = gate.store.copy_model_version(original, "signs-2")
    assert copy.tags.pop("team") == "vision"
    assert set(copy.tags) == {"xray_gate.verdict", "xray_gate.policy", "xray_gate.digest"}
    assert copy.tags["xray_gate.digest"] == original.tags["xray_gate.digest"]


def test_a_forged_verdict_is_not_copied(gate: Gate) -> None:
    gate.admitted()
    gate.store.create_registered_model("signs-2")
    forged = ModelVersionTag("xray_gate.verdict", "passed with distinction")
    copy = gate.store.create_model_version("signs-2", "models:/signs/1", tags=[forged])
    assert copy.tags["xray_gate.verdict"] == "passed"


@pytest.mark.parametrize("suffix", ["latest", "Production", "@champion"])
def test_a_copy_from_a_moving_place_is_not_made(gate: Gate, suffix: str) -> None:
    gate.admitted()
    gate.store.set_registered_model_alias("signs", "champion", 1)
    gate.store.create_registered_model("signs-2")
    source = f"models:/signs{'' if suffix.startswith('@') else '/'}{suffix}"
    with pytest.raises(MlflowException):
        gate.store.create_model_version("signs-2", source)
    assert gate.store.search_model_versions("name = 'signs-2'") == []


def test_a_copy_of_a_deleted_version_is_not_made(gate: Gate) -> None:
    original = gate.admitted()
    gate.store.delete_model_version("signs", 1)
    with pytest.raises(MlflowException, match="not found"):
        gate.store.copy_model_version(original, "signs-2")


def test_a_source_that_only_looks_like_a_copy_waits_for_a_scan(gate: Gate) -> None:
    """Leading blanks hide the scheme from some readers and not from others."""
    gate.admitted()
    gate.store.create_registered_model("signs-2")
    version = gate.store.create_model_version("signs-2", " models:/signs/1")
    assert version.status == "PENDING_REGISTRATION"


def test_reading_is_guarded_again_after_a_copy(gate: Gate) -> None:
    gate.admitted()
    gate.judged(backdoored())
    gate.store.copy_model_version(gate.store.get_model_version("signs", 1), "signs-2")
    with assert_refused("signs/2 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 2)
