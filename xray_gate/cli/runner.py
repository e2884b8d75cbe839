"""`xray-gate runner`: scans what waits in a registry."""

from pathlib import Path

import click

from xray_gate.cli.logs import LogFormat, set_up_json
from xray_gate.cli.registry_option import registry_option
from xray_gate.cli.signing_key import (
    KEY_VARIABLE,
    passphrase_option,
    require_a_named_key,
    signer,
)
from xray_gate.core.errors import InputError
from xray_gate.runner.parts import Retries
from xray_gate.scan.ports import Device


@click.command()
@registry_option
@click.option(
    "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="The MLflow server's http:// address."
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="What to measure, where it differs from the server's policy (other paths, a GPU).",
)
@click.option(
    "--snapshots",
    envvar="XRAY_GATE_SNAPSHOTS",
    metavar="URI",
    help="Where scanned bytes are kept for everybody to download; only runners should be able to "
    "write there. Without it: mlflow-artifacts:/xray-gate-snapshots, behind the MLflow server.",
)
@click.option("--once", is_flag=True, help="Scan what waits now, then end with 0.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option(
    "--lease-seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="How long a silent runner keeps its version before another one may scan it.",
)
@click.option(
    "--tries",
    type=click.IntRange(min=1),
    default=Retries.tries,
    show_default=True,
    help="How often a version is tried where something other than the model fails (a store, a "
    "disk, a bug), before it is given up.",
)
@click.option(
    "--retry-seconds",
    type=click.FloatRange(min=0),
    default=Retries.first_pause,
    show_default=True,
    help=f"Until the second try; each pause after it is {Retries.factor:g} times as long.",
)
@click.option(
    "--signing-key",
    envvar=KEY_VARIABLE,
    type=click.Path(path_type=Path),
    help="Sign every verdict with this private key, made by `xray-gate keys new`.",
)
@passphrase_option
@click.option(
    "--metrics-address",
    metavar="HOST:PORT",
    help="Answer /metrics, for Prometheus, and /health there, without asking who asks; for example "
    "127.0.0.1:9464. Port 0 takes a free one and says which.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: everything on stderr is one JSON object a line, with the ids of version and scan.",
)
@click.pass_context
def runner(
    context: click.Context,
    registry_uri: str | None,
    tracking_uri: str | None,
    policy: Path | None,
    once: bool,
    device: Device,
    lease_seconds: float,
    tries: int,
    retry_seconds: float,
    snapshots: str | None,
    signing_key: Path | None,
    passphrase_file: Path | None,
    metrics_address: str | None,
    log_format: LogFormat,
) -> int:
    """Scan waiting versions and write their verdicts. Start as many runners as you like."""
    from xray_gate.cli.running import work
    from xray_gate.registry.snapshots import DEFAULT_PLACE
    from xray_gate.runner.endpoint import parse_address
    from xray_gate.wiring import running

    if log_format == "json":
        set_up_json(verbose=context.find_root().params["verbose"])
    address = None if metrics_address is None else parse_address(metrics_address)
    if registry_uri is None or tracking_uri is None:
        raise InputError(
            "the runner needs --registry-uri xray-gate+... and --tracking-uri http://..."
        )
    require_a_named_key()
    settings = running.RunnerSettings(
        registry_uri,
        tracking_uri,
        policy,
        device,
        lease_seconds,
        snapshots or DEFAULT_PLACE,
        signer(signing_key, passphrase_file),
        Retries(tries, retry_seconds),
    )
    work(settings, once, log_format, address)
    return 0
