"""`xray-gate runner`: scans what waits in a registry."""

import signal
import threading
from pathlib import Path

import click

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
def runner(
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
) -> int:
    """Scan waiting versions and write their verdicts. Start as many runners as you like."""
    from xray_gate import wiring

    if registry_uri is None or tracking_uri is None:
        raise InputError(
            "the runner needs --registry-uri xray-gate+... and --tracking-uri http://..."
        )
    require_a_named_key()
    settings = wiring.RunnerSettings(
        registry_uri,
        tracking_uri,
        policy,
        device,
        lease_seconds,
        snapshots or wiring.DEFAULT_PLACE,
        signer(signing_key, passphrase_file),
        Retries(tries, retry_seconds),
    )
    worker = wiring.new_runner(settings, announce=lambda text: click.echo(text, err=True))
    if once:
        worker.run_once()
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    click.echo("xray-gate runner: looking for versions to scan", err=True)
    worker.run_forever(stop)
    return 0
