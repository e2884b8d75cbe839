"""`xray-gate scan MODEL`: one model, one verdict, no registry."""

from pathlib import Path

import click

from xray_gate.cli.exit_codes import BY_VERDICT
from xray_gate.cli.local_model import local_model
from xray_gate.cli.progress import ProgressLine
from xray_gate.cli.signing_key import passphrase_option, require_unchanged, signer
from xray_gate.core.errors import InputError
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.ports import Device


@click.command()
@click.argument("model")
@click.option(
    "--probes",
    type=click.Path(path_type=Path),
    help="Clean labelled samples: .npz, .parquet or a folder per class. "
    "May be left out where the policy names them.",
)
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), help="A policy file.")
@click.option(
    "--training-data",
    type=click.Path(path_type=Path),
    help="The model's own training data, for dtinspector: .npz, .parquet (or a folder of such "
    "files), or a folder per class. Default: what the policy names.",
)
@click.option("--out", type=click.Path(path_type=Path), help="A folder for report and planes.")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json", "sarif"]), default="text"
)
@click.option("--seed", type=click.IntRange(min=0), help="Default: the calibration's, else 0.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option(
    "--signing-key",
    type=click.Path(path_type=Path),
    help="Sign the verdict with this private key, as attestation.json in --out.",
)
@passphrase_option
def scan(
    model: str,
    probes: Path | None,
    policy_path: Path | None,
    training_data: Path | None,
    out: Path | None,
    output_format: str,
    seed: int | None,
    device: Device,
    signing_key: Path | None,
    passphrase_file: Path | None,
) -> int:
    """Scan MODEL and end with the verdict's exit code, whatever the policy's mode.

    MODEL is a file (.onnx, .pt2, TorchScript .pt), an MLflow model folder, models:/NAME/VERSION
    or runs:/RUN_ID/PATH.
    """
    from xray_gate.report.files import write_report
    from xray_gate.report.json_v1 import dump, report_json
    from xray_gate.report.text import render_text
    from xray_gate.scan.pipeline import ScanRequest, default_seed
    from xray_gate.wiring import scanning

    if output_format == "sarif":
        raise InputError("--format sarif is not part of this release; use text or json")
    if training_data is not None and not training_data.exists():
        raise InputError(f"{training_data}: no such training data; check the path")
    if signing_key is not None and out is None:
        raise InputError("a signed verdict is a file; name a folder for it with --out")
    sign = signer(signing_key, passphrase_file)
    policy = scanning.load_policy(policy_path)
    probe_set = _probes(probes, policy)
    training = (
        scanning.policys_training_data(policy, probe_set)
        if training_data is None
        else scanning.load_training_data(training_data, policy, probe_set)
    )
    progress = ProgressLine()
    with local_model(model) as path:
        request = ScanRequest(
            path,
            model,
            policy,
            probe_set,
            default_seed(policy) if seed is None else seed,
            device,
            training=training,
        )
        try:
            output = scanning.new_scan(progress)(request)
        finally:
            progress.close()
        if sign is not None:
            require_unchanged(path, output)
    decision = decide(policy, output.evidence)
    if out is None:
        report = report_json(output.evidence, decision, policy.name, policy.digest)
    else:
        try:
            attestation = None if sign is None else sign(output, decision, policy)
            report = write_report(out, output, decision, policy, attestation)
        except OSError as error:
            raise InputError(
                f"{out}: the report cannot be written there ({error.strerror}); name a folder "
                "with --out"
            ) from error
    click.echo(dump(report) if output_format == "json" else render_text(report), nl=False)
    if out is not None:
        click.echo(f"report: {out / 'report.html'}", err=True)
    return int(BY_VERDICT[decision.verdict])


def _probes(path: Path | None, policy: Policy) -> ProbeSet:
    from xray_gate.wiring import scanning

    if path is not None:
        return scanning.load_probes(path, policy)
    if policy.probes is None and policy.probes_uri is None:
        raise InputError(
            "no probes: name clean labelled samples with --probes, or in the policy's `probes`"
        )
    import mlflow

    from xray_gate.registry.artifacts import MlflowArtifacts

    return scanning.policys_probes(policy, MlflowArtifacts(mlflow.get_tracking_uri()))
