"""A scan over the real back ends, and what it is made with: policy, probes, training data."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from xray_gate.backends import isolation
from xray_gate.core.errors import InputError, PolicyError
from xray_gate.detectors.all_detectors import installed_detectors
from xray_gate.policy.files import Policy, read_policy
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.probing.training_data import TrainingData
from xray_gate.scan.opening import checked, model_request, preprocessing_of
from xray_gate.scan.pipeline import Progress, Scan
from xray_gate.scan.ports import Device, OpenModel
from xray_gate.scan.training import found_training_data, given_training_data
from xray_gate.scan.work import ArtifactFetcher, MissingTraining, TrainingFiles
from xray_gate.static_checks.check import check_files

# No other way to open a model leads out of this file.
open_model = checked(isolation.open_model, check_files)


def default_policy() -> Policy:
    """The packaged policy, for a scan that names none."""
    with resources.as_file(resources.files("xray_gate") / "data" / "default.yaml") as path:
        return read_policy(path)


def load_policy(path: Path | None) -> Policy:
    """The one policy of a file, or the packaged one."""
    if path is None:
        return default_policy()
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the one policy file to scan with")
    return read_policy(path)


def load_policy_to_calibrate(path: Path | None) -> Policy:
    """As `load_policy`; the calibration that it names need not exist yet."""
    return default_policy() if path is None else read_policy(path, with_calibration=False)


def load_probes(path: Path, policy: Policy) -> ProbeSet:
    """The probes at `path`, in the size that the policy's preprocessing asks for."""
    return read_probes(path, preprocessing_of(policy).size)


def policys_probes(policy: Policy, fetch: ArtifactFetcher) -> ProbeSet:
    """The probes that the policy names, which `fetch` brings from where they lie.

    Raises `PolicyError` where it names none, or where they are others than it says, and what
    `fetch` and `load_probes` raise.
    """
    if policy.probes_uri is not None:
        with fetch(policy.probes_uri) as path:
            probes = load_probes(path, policy)
    elif policy.probes is not None:
        probes = load_probes(policy.probes, policy)
    else:
        raise PolicyError(
            f"policy {policy.name}: names no `probes`, and nothing can be scanned without; add the "
            "path of clean labelled samples"
        )
    if policy.probes_digest not in (None, probes.sha256):
        raise PolicyError(
            f"policy {policy.name}: the samples at {policy.probes_uri or policy.probes} have the "
            f"digest {probes.sha256}, and probes.digest says {policy.probes_digest}; bring back "
            "the samples that were reviewed, or have the new ones reviewed and change the digest"
        )
    return probes


def load_training_data(path: Path, policy: Policy, probes: ProbeSet) -> TrainingData:
    """The training data at `path`, in the probes' form; they are read in passes, later."""
    return given_training_data(
        TrainingFiles(str(path), path), preprocessing_of(policy).size, probes
    )


def policys_training_data(
    policy: Policy, probes: ProbeSet, logged: TrainingFiles | MissingTraining | None = None
) -> TrainingData | MissingTraining | None:
    """The training data that the policy names, or why they cannot be had; None where it names none.

    `logged`: those of the model's run, which only a runner looks up.
    """
    if policy.training_data is not None:
        logged = TrainingFiles(str(policy.training_data), policy.training_data)
    elif not policy.wants_logged_training_data:
        return None
    if logged is None:
        return MissingTraining(
            "the policy takes those that were logged with the model's run, which only a runner "
            "looks up; name them with --training-data"
        )
    if isinstance(logged, MissingTraining):
        return logged
    return found_training_data(logged, preprocessing_of(policy).size, probes)


def utc_now() -> datetime:
    """The clock of reports."""
    return datetime.now(UTC)


def new_scan(progress: Progress | None = None) -> Scan:
    """A scan over the real back ends, by all detectors that are installed.

    Raises `InputError` for a plug-in that cannot be used.
    """
    return Scan(open_model, utc_now, progress, installed_detectors(), check_files)


def open_classifier(
    path: Path, policy: Policy, classes: int, shape: tuple[int, ...], device: Device
) -> AbstractContextManager[OpenModel]:
    """The model at `path`, to be asked as a scan under `policy` asks it; see `model_request`."""
    return open_model(model_request(path, policy, classes, shape, device))
