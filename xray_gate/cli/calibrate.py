"""`xray-gate calibrate`: scores of reference models, for a policy's thresholds."""

import shlex
import sys
from pathlib import Path

import click

from xray_gate.cli.progress import ProgressLine
from xray_gate.core.errors import InputError
from xray_gate.scan.ports import Device


@click.command()
@click.option(
    "--clean",
    "clean_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A model known to be clean, or a folder of .onnx, .pt and .pt2 files. May be repeated.",
)
@click.option(
    "--backdoored",
    "backdoored",
    multiple=True,
    metavar="[NAME=]PATH",
    help="Models with a backdoor, as --clean: one group of Eq. 6 (an attack), called as the "
    "folder or file is. For policies with method f1. May be repeated.",
)
@click.option(
    "--from-registry",
    "registered",
    multiple=True,
    metavar="NAME",
    help="The versions of a registered model that passed and are admitted, as clean references. "
    "They are only as clean as the scans that admitted them: a backdoored one that slipped "
    "through widens the bound. May be repeated.",
)
@click.option(
    "--registry-uri",
    envvar="MLFLOW_REGISTRY_URI",
    help="For --from-registry: xray-gate+sqlite:///... or the like.",
)
@click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    help="For --from-registry: the MLflow server's http:// address.",
)
@click.option("--probes", required=True, type=click.Path(path_type=Path))
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), help="What to measure.")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Refuse, before anything is scanned, if a family has too few clean references for it.",
)
@click.option("--name", help="How reports cite the file; default: its name.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
def calibrate(
    clean_paths: tuple[Path, ...],
    backdoored: tuple[str, ...],
    registered: tuple[str, ...],
    registry_uri: str | None,
    tracking_uri: str | None,
    probes: Path,
    policy_path: Path | None,
    out: Path,
    level: float | None,
    name: str | None,
    seed: int,
    device: Device,
) -> int:
    """Score reference models with Model X-ray, as a scan would, for a file that a policy can name.

    References are judged by family: models of the same architecture. A level of .05 takes 19 clean
    ones for each score that the policy judges, twice that on both sides, .01 takes 99. What is
    scored already is kept beside --out until the whole file is written, so an interrupted
    calibration goes on where it was.
    """
    from xray_gate.cli.calibrating import (
        CalibrationRun,
        require_a_level_that_can_be_kept,
        without_passwords,
    )
    from xray_gate.cli.reference_models import models_at, models_of_groups
    from xray_gate.scan.calibration_draft import CalibrationDraft, write_whole
    from xray_gate.wiring import calibrating, scanning

    if not clean_paths and not registered:
        raise InputError("no clean references: name models with --clean, or with --from-registry")
    if out.is_dir():
        raise InputError(
            f"{out}: the calibration cannot be written there (a folder); name a file with --out"
        )
    clean = [(path, None) for given in clean_paths for path in models_at(given)]
    paths = [*clean, *models_of_groups(backdoored)]
    policy = scanning.load_policy_to_calibrate(policy_path)
    require_a_level_that_can_be_kept(policy, level)
    progress = ProgressLine()
    job = calibrating.new_calibrating(
        policy, scanning.load_probes(probes, policy), seed, device, progress
    )
    draft = CalibrationDraft(out, job.settings)
    admitted = calibrating.models_from_registry(registered, registry_uri, tracking_uri)
    references = CalibrationRun(job, draft, level, progress).references(paths, admitted)
    command = "xray-gate " + shlex.join(without_passwords(sys.argv[1:]))
    created = scanning.utc_now().isoformat(timespec="seconds")
    calibration = job.calibration(name or out.stem, references, command, created)
    write_whole(out, calibration.model_dump_json(indent=1) + "\n")
    draft.remove()
    click.echo(f"{out}: {calibration.title()}")
    return 0
