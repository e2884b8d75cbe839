"""Logs a scan to an MLflow run: scores, parameters, planes, triggers, and the report."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from xray_gate.core.evidence import DetectorEvidence, RunState
from xray_gate.core.verdict import Decision
from xray_gate.policy.files import Policy
from xray_gate.policy.xray_statistics import names_of_statistics
from xray_gate.registry.version_status import excuse_tags
from xray_gate.scan.work import ScanOutput, VersionKey

EXPERIMENT = "xray-gate"
_SUFFIX = {"unclipped": "", "valid": "_valid"}
# Statistics of a trigger sweep and the metrics that they become.
_SWEEP = {
    "flip_rate": "flip_rate",
    "total_flip_rate": "total_flip_rate",
    "p_value": "sweep_p_value",
    "excess": "sweep_excess",
}
# Statistics by label; the metrics have the detector's name before theirs. They are of the label for
# which the first is smallest, which has the largest anomaly index.
_BY_LABEL = {
    "b3d": ("mask_l1", "anomaly_index", "success_rate"),
    "dtinspector": ("transfer_ratio", "anomaly_index", "fitted_ratio", "held_back_ratio"),
}

ReportWriter = Callable[[Path, ScanOutput, Decision, Policy, str | None], object]


class EvidenceRuns:
    """An `EvidenceSink` over MLflow tracking. `write_report` fills a folder with the report."""

    def __init__(self, tracking_uri: str, write_report: ReportWriter) -> None:
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._write_report = write_report

    def __call__(
        self,
        key: VersionKey,
        output: ScanOutput,
        decision: Decision,
        policy: Policy,
        attestation: str | None = None,
    ) -> str:
        """Log one scan as a finished run; its id. Raises what MLflow raises."""
        run = self._client.create_run(
            self._experiment(),
            run_name=f"{key.name} version {key.version}",
            tags={
                "xray_gate.version": str(key),
                "xray_gate.verdict": decision.verdict,
                "xray_gate.policy": policy.name,
                "xray_gate.digest": output.evidence.model.digest,
                **excuse_tags(decision),
            },
        )
        run_id = str(run.info.run_id)
        try:
            self._log(run_id, output, decision, policy, attestation)
        except BaseException:
            self._client.set_terminated(run_id, status="FAILED")
            raise
        self._client.set_terminated(run_id)
        return run_id

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            if found.lifecycle_stage != LifecycleStage.ACTIVE:
                # Whoever may delete it must not keep people from reading reports from then on.
                self._client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(EXPERIMENT))
        except MlflowException:
            # Another runner was quicker.
            created = self._client.get_experiment_by_name(EXPERIMENT)
            if created is None:
                raise
            return str(created.experiment_id)

    def _log(
        self,
        run_id: str,
        output: ScanOutput,
        decision: Decision,
        policy: Policy,
        attestation: str | None,
    ) -> None:
        evidence = output.evidence
        self._client.log_param(run_id, "model", evidence.model.ref)
        self._client.log_param(run_id, "seed", evidence.seed)
        if evidence.probes is not None:
            self._client.log_metric(run_id, "probe_accuracy", evidence.probes.accuracy)
        for detector in evidence.detectors:
            self._log_detector(run_id, detector)
        with TemporaryDirectory(prefix="xray-gate-report-") as folder:
            self._write_report(Path(folder), output, decision, policy, attestation)
            self._client.log_artifacts(run_id, folder)

    def _log_detector(self, run_id: str, detector: DetectorEvidence) -> None:
        if detector.state is RunState.SKIPPED:
            return
        for name, value in detector.parameters.items():
            self._client.log_param(run_id, f"{detector.name}.{name}", value)
        self._client.log_metric(run_id, f"{detector.name}.queries", detector.queries)
        self._client.log_metric(run_id, f"{detector.name}.seconds", detector.seconds)
        for statistic in names_of_statistics():
            for pixel_range, score in _by_range(detector.statistics.get(statistic)).items():
                self._client.log_metric(run_id, statistic + _SUFFIX[pixel_range], score)
        for metric, score in _scores(detector).items():
            self._client.log_metric(run_id, metric, score)


def _scores(detector: DetectorEvidence) -> dict[str, float]:
    statistics = detector.statistics
    if detector.name == "trigger_sweep":
        found = {metric: statistics.get(statistic) for statistic, metric in _SWEEP.items()}
        return {m: float(value) for m, value in found.items() if isinstance(value, int | float)}
    names = _BY_LABEL.get(detector.name, ())
    return {f"{detector.name}_{name}": v for name, v in _of_one_label(statistics, names).items()}


def _of_one_label(statistics: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    """Of the label with the smallest entry under the first name; None is a label not tested."""
    first = statistics.get(names[0]) if names else None
    tested = [value for value in first or () if value is not None]
    if not first or not tested:
        return {}
    label = first.index(min(tested))
    found = {name: statistics.get(name) for name in names}
    return {name: float(values[label]) for name, values in found.items() if values}


def _by_range(value: Any) -> dict[str, float]:
    return {r: float(value[r]) for r in _SUFFIX if r in value} if isinstance(value, dict) else {}
