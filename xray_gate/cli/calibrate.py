"""`xray-gate calibrate`: scores of clean reference models, for a policy's thresholds."""

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
    required=True,
    type=click.Path(path_type=Path),
    help="A model known to be clean, or a folder of .onnx, .pt and .pt2 files. May be repeated.",
)
@click.option("--probes", required=True, type=click.Path(path_type=Path))
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), help="What to measure.")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--name", help="How reports cite the file; default: its name.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
def calibrate(
    clean_paths: tuple[Path, ...],
    probes: Path,
    policy_path: Path | None,
    out: Path,
    name: str | None,
    seed: int,
    device: Device,
) -> int:
    """Score clean models with Model X-ray, as a scan would, for a file that a policy can name."""
    from xray_gate import wiring
    from xray_gate.scan.calibrating import Calibrating

    if out.is_dir():
        raise InputError(
            f"{out}: the calibration cannot be written there (a folder); name a file with --out"
        )
    models = _models(clean_paths)
    policy = wiring.load_policy_to_calibrate(policy_path)
    progress = ProgressLine()
    job = Calibrating(
        policy=policy,
        probes=wiring.load_probes(probes, policy),
        scan=wiring.new_scan(progress),
        seed=seed,
        device=device,
    )
    references = []
    for number, path in enumerate(models, 1):
        reference = job.reference(path)
        progress.close()
        click.echo(
            f"{number}/{len(models)} {path.name}: probe accuracy {reference.probe_accuracy:.1%}",
            err=True,
        )
        references.append(reference)
    command = "xray-gate " + shlex.join(sys.argv[1:])
    calibration = job.calibration(
        name or out.stem, references, command, wiring.utc_now().isoformat(timespec="seconds")
    )
    try:
        _write(out, calibration.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise InputError(
            f"{out}: the calibration cannot be written there ({error.strerror}); name a file "
            "with --out"
        ) from error
    click.echo(f"{out}: {calibration.title()}")
    return 0


def _write(out: Path, text: str) -> None:
    draft = out.with_name(f".{out.name}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(text, encoding="utf-8")
    draft.replace(out)


def _models(paths: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and not (path / "MLmodel").exists():
            inside = sorted(p for p in path.iterdir() if p.suffix in (".onnx", ".pt", ".pt2"))
            if not inside:
                raise InputError(f"{path}: the folder holds no .onnx, .pt or .pt2; check the path")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{path}: there is no such model; check the path")
    return found
