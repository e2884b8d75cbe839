from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from tests.report.b3d_builders import b3d, b3d_statistics, reversed_trigger
from tests.report.builders import decision, plane
from tests.report.dtinspector_builders import (
    dtinspector,
    dtinspector_statistics,
    learned_patch,
)
from tests.report.sweep_builders import shown_trigger, statistics, sweep
from tests.support.evidence import clean, make_policy
from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.policy.decision import decide
from xray_gate.registry.evidence_run import EXPERIMENT, EvidenceRuns
from xray_gate.report.files import write_report
from xray_gate.scan.work import ScanOutput, VersionKey

KEY = VersionKey("default", "signs", 7)


@pytest.fixture
def client(sqlite_database: str, tmp_path: Path) -> MlflowClient:
    """Tracking with the experiment at hand, so that artifacts stay in the test's folder."""
    client = MlflowClient(tracking_uri=sqlite_database)
    client.create_experiment(EXPERIMENT, artifact_location=(tmp_path / "artifacts").as_uri())
    return client


def logged(client: MlflowClient, tmp_path: Path, found: DetectorEvidence) -> Any:
    xray = clean().detectors[0]
    judgements = tuple(
        replace(judgement, name=detector.name)
        for judgement, detector in zip(decision().judgements, (xray, found), strict=True)
    )
    by_detector = {"b3d": reversed_trigger(), "dtinspector": learned_patch()}
    shown = by_detector.get(found.name, shown_trigger())
    output = ScanOutput(clean_with(xray, found), [plane()], [shown])
    runs = EvidenceRuns(client.tracking_uri, write_report)
    run_id = runs(KEY, output, decision(judgements=judgements), make_policy(tmp_path / "policies"))
    return client.get_run(run_id)


def test_reports_go_on_where_somebody_deleted_the_experiment(
    client: MlflowClient, tmp_path: Path
) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    run = logged(client, tmp_path, sweep())
    assert (run.info.experiment_id, run.info.status) == (experiment.experiment_id, "FINISHED")


def clean_with(*detectors: DetectorEvidence) -> Any:
    return replace(clean(), detectors=detectors)


def test_a_run_holds_scores_figures_and_report(client: MlflowClient, tmp_path: Path) -> None:
    run = logged(client, tmp_path, sweep())
    metrics = run.data.metrics
    assert (metrics["renyi_entropy"], metrics["renyi_entropy_valid"]) == (1.9, 1.9)
    assert (metrics["flip_rate"], metrics["total_flip_rate"]) == (35 / 36, 0.9)
    assert (metrics["sweep_p_value"], metrics["sweep_excess"]) == (2e-9, 0.94)
    assert metrics["trigger_sweep.queries"] == 20_533
    assert run.data.params["trigger_sweep.families"] == "['patch']"
    assert run.info.status == "FINISHED"
    artifacts = {
        item.path
        for folder in ("", "planes", "triggers")
        for item in client.list_artifacts(run.info.run_id, folder)
    }
    assert artifacts == {
        *("planes", "triggers", "report.html", "report.json", "evidence.json"),
        *("planes/plane_000_valid.png", "triggers/trigger_000.png"),
    }


@pytest.mark.parametrize("missing", ["flip_rate", "total_flip_rate", "p_value", "excess"])
def test_a_statistic_that_is_missing_is_not_logged(
    client: MlflowClient, tmp_path: Path, missing: str
) -> None:
    kept = {key: value for key, value in statistics().items() if key != missing}
    run = logged(client, tmp_path, sweep(statistics=kept))
    scores = {"flip_rate", "total_flip_rate", "sweep_p_value", "sweep_excess"}
    missed = scores - set(run.data.metrics)
    assert missed == {missing if "rate" in missing else f"sweep_{missing}"}


def test_a_sweep_that_did_not_complete_logs_its_cost_only(
    client: MlflowClient, tmp_path: Path
) -> None:
    found = sweep(state=RunState.INCONCLUSIVE, reason="too few probes", statistics={})
    metrics = logged(client, tmp_path, found).data.metrics
    assert metrics["trigger_sweep.queries"] == 20_533
    assert "flip_rate" not in metrics
    assert not [name for name in metrics if name.startswith("sweep_")]


def test_b3d_logs_the_label_with_the_smallest_mask(client: MlflowClient, tmp_path: Path) -> None:
    run = logged(client, tmp_path, b3d())
    scores = {k: v for k, v in run.data.metrics.items() if k.startswith("b3d_")}
    assert scores == {"b3d_mask_l1": 4.0, "b3d_anomaly_index": 5.678, "b3d_success_rate": 0.98}
    assert run.data.metrics["b3d.queries"] == 1_234_567
    assert run.data.params["b3d.images"] == "probes"
    artifacts = [item.path for item in client.list_artifacts(run.info.run_id, "triggers")]
    assert sorted(artifacts) == ["triggers/b3d_label_3.npz", "triggers/trigger_000.png"]


@pytest.mark.parametrize("missing", ["mask_l1", "anomaly_index", "success_rate"])
def test_a_statistic_by_label_that_is_missing_is_not_logged(
    client: MlflowClient, tmp_path: Path, missing: str
) -> None:
    kept = {key: value for key, value in b3d_statistics().items() if key != missing}
    metrics = logged(client, tmp_path, b3d(statistics=kept)).data.metrics
    found = {name for name in metrics if name.startswith("b3d_")}
    scores = {"b3d_mask_l1", "b3d_anomaly_index", "b3d_success_rate"}
    assert found == (set() if missing == "mask_l1" else scores - {f"b3d_{missing}"})


def test_a_b3d_that_did_not_complete_logs_its_cost_only(
    client: MlflowClient, tmp_path: Path
) -> None:
    found = b3d(state=RunState.INCONCLUSIVE, reason="too few probes", statistics={})
    metrics = logged(client, tmp_path, found).data.metrics
    assert metrics["b3d.queries"] == 1_234_567
    assert not [name for name in metrics if name.startswith("b3d_")]


def test_dtinspector_logs_the_label_with_the_lowest_ratio(
    client: MlflowClient, tmp_path: Path
) -> None:
    run = logged(client, tmp_path, dtinspector())
    assert {k: v for k, v in run.data.metrics.items() if k.startswith("dtinspector_")} == {
        "dtinspector_transfer_ratio": 0.12,
        "dtinspector_anomaly_index": 12.4,
        "dtinspector_fitted_ratio": 0.95,
        "dtinspector_held_back_ratio": 0.88,
    }
    assert run.data.params["dtinspector.patches_by"] == "gradients_or_queries"
    artifacts = [item.path for item in client.list_artifacts(run.info.run_id, "triggers")]
    assert sorted(artifacts) == ["triggers/dtinspector_label_3.npz", "triggers/trigger_000.png"]


@pytest.mark.parametrize(
    "found", [{}, dtinspector_statistics(transfer_ratio=[None] * 6)], ids=["none", "untested"]
)
def test_a_dtinspector_without_ratios_logs_its_cost_only(
    client: MlflowClient, tmp_path: Path, found: dict[str, Any]
) -> None:
    metrics = logged(client, tmp_path, dtinspector(statistics=found)).data.metrics
    assert metrics["dtinspector.queries"] == 70_592
    assert not [name for name in metrics if name.startswith("dtinspector_")]


def test_a_signed_verdict_is_an_artifact(client: MlflowClient, tmp_path: Path) -> None:
    runs = EvidenceRuns(client.tracking_uri, write_report)
    policy = make_policy(tmp_path / "policies")
    evidence = clean()
    run_id = runs(KEY, ScanOutput(evidence), decide(policy, evidence), policy, "signed")
    place = client.download_artifacts(run_id, "attestation.json", str(tmp_path))
    assert Path(place).read_text() == "signed"


def test_a_report_that_cannot_be_written_fails_the_run(
    client: MlflowClient, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    runs = EvidenceRuns(client.tracking_uri, full)
    policy = make_policy(tmp_path / "policies")
    with pytest.raises(OSError, match="no space"):
        runs(KEY, ScanOutput(clean()), decision(), policy)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
