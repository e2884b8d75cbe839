"""`xray-gate cleanse MODEL`: which training samples probably planted the backdoor."""

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
    from xray_gate.cli.cleansing import Cleansed

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model")
@click.option(
    "--report",
    "folder",
    required=True,
    type=_PATH,
    help="The folder that `scan --training-data ... --out` filled: report.json and triggers.",
)
@click.option(
    "--training-data",
    "training_path",
    required=True,
    type=_PATH,
    help="The model's own training data, as the scan was given them: .npz, .parquet (or a folder "
    "of such files), or a folder per class.",
)
@click.option("--out", required=True, type=_PATH, help="The parquet file to write.")
@click.option(
    "--label",
    type=click.IntRange(min=0),
    help="Look at the samples of this label. Default: those that dtinspector accuses in the "
    "report.",
)
@click.option("--policy", "policy_path", type=_PATH, help="The policy file of the scan.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
def cleanse(
    model: str,
    folder: Path,
    training_path: Path,
    out: Path,
    label: int | None,
    policy_path: Path | None,
    output_format: str,
    seed: int,
    device: Device,
) -> int:
    """List the training samples of MODEL that probably carry a trigger (DTInspector, B.5).

    Such a sample has the infected label, and loses it under the patch that a scan learned for this
    label. The table has the columns row, name, label (stored), before and after (the model's,
    without and with the patch), drop (of the label's probability, -1 to 1) and suspected; samples
    of other labels are no rows. Nothing is removed. Ends with 0 when all are asked about, whether
    any is suspected or not.
    """
    from xray_gate.cli.cleansing import Cleansing

    _check_out(out, training_path, Path(model))
    job = Cleansing.prepare(folder, label, policy_path, training_path)
    for note in job.notes:
        click.echo(f"note: {note}", err=True)
    progress = ProgressLine()
    with local_model(model) as path:
        try:
            done = job.run(path, out, seed, device, progress)
        finally:
            progress.close()
    click.echo(json.dumps(asdict(done), indent=2) if output_format == "json" else _text(done))
    return int(ExitCode.PASSED)


def _check_out(out: Path, training: Path, model: Path) -> None:
    """Nothing is asked for a table that cannot be written, and no input is written over."""
    require_a_place(out, "table")
    # A parquet file in a folder of training data would count among them the next time.
    for source, held in ((training, "the training data"), (model, "the model")):
        within = out.resolve().is_relative_to(source.resolve())
        same = out.exists() and source.exists() and out.samefile(source)
        if same or (source.exists() and within):
            raise InputError(f"{out}: is part of {held}; name another file with --out")


def _text(done: "Cleansed") -> str:
    lines = [f"{done.out}: {done.suspected} of {done.samples} training samples suspected"]
    lines += [
        f"  label {count.label}: {count.suspected} of {count.samples} samples, of which the model "
        f"predicts {count.predicted} so without the patch"
        for count in done.labels
    ]
    if done.suspected:
        lines.append(
            "Look at the suspected samples, remove them, and train the model again without them; "
            "then scan the new one."
        )
    else:
        lines.append("The patch changes none of them, so that it shows nothing to remove.")
    return "\n".join(lines)
