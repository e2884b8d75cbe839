"""`xray-gate filter MODEL`: which inputs carry a trigger that a scan reversed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xray_gate.cli.exit_codes import ExitCode
from xray_gate.cli.local_model import local_model
from xray_gate.cli.progress import ProgressLine
from xray_gate.cli.table_place import require_a_place
from xray_gate.core.errors import InputError
from xray_gate.scan.ports import Device

if TYPE_CHECKING:
    from xray_gate.cli.filtering import Filtered

_PATH = click.Path(path_type=Path)


@click.command("filter")
@click.argument("model")
@click.option(
    "--report",
    "folder",
    required=True,
    type=_PATH,
    help="The folder that `scan --out` filled: report.json and triggers.",
)
@click.option(
    "--inputs",
    "inputs_path",
    required=True,
    type=_PATH,
    help="What to filter: .npz (`images` is enough), .parquet or a folder per class. Labels are "
    "not looked at.",
)
@click.option(
    "--probes",
    "probes_path",
    required=True,
    type=_PATH,
    help="Clean labelled samples that set the threshold, best such that the scan did not see.",
)
@click.option("--out", required=True, type=_PATH, help="The parquet file to write.")
@click.option(
    "--label",
    type=click.IntRange(min=0),
    help="Filter by the trigger for this label. Default: those that the report accuses.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="The share of clean inputs that may be rejected.",
)
@click.option("--policy", "policy_path", type=_PATH, help="The policy file of the scan.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
def filter_command(
    model: str,
    folder: Path,
    inputs_path: Path,
    probes_path: Path,
    out: Path,
    label: int | None,
    rate: float,
    policy_path: Path | None,
    output_format: str,
    seed: int,
    device: Device,
) -> int:
    """Mark the inputs of MODEL that carry a trigger which a scan of it reversed (B3D, section 5).

    Such an input keeps its answer when the trigger is stamped on it: its score is low. The table
    has the columns row, name, score, suspected, label (the model's) and trigger_label. Ends with 0
    when all inputs are scored, whether any is suspected or not.
    """
    from xray_gate.cli.filtering import Filtering

    _check_out(out, inputs_path)
    job = Filtering.prepare(folder, label, policy_path, probes_path, inputs_path)
    if job.fitted_to_the_probes:
        click.echo(
            f"note: {probes_path} holds the scan's probes, to which the triggers were fitted; "
            "other clean samples give a better threshold",
            err=True,
        )
    progress = ProgressLine()
    with local_model(model) as path:
        try:
            done = job.run(path, out, rate, seed, device, progress)
        finally:
            progress.close()
    click.echo(json.dumps(asdict(done), indent=2) if output_format == "json" else _text(done))
    return int(ExitCode.PASSED)


def _check_out(out: Path, inputs: Path) -> None:
    """Nothing is asked for a table that cannot be written, and no input is written over."""
    require_a_place(out, "scores")
    if out.exists() and inputs.exists() and out.samefile(inputs):
        raise InputError(f"{out}: holds the inputs; name another file with --out")


def _text(done: "Filtered") -> str:
    labels = ", ".join(map(str, done.labels))
    return (
        f"{done.out}: {done.suspected} of {done.inputs} inputs suspected (score under "
        f"{done.threshold:.4g}, as {done.probes} probes set it for a rate of {done.rate:g}; "
        f"trigger for label {labels})"
    )
