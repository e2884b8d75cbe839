"""`xray-gate demo`: the whole way of two models, one clean and one with a backdoor."""

import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xray_gate.cli.demo_site import Site, running_site
from xray_gate.cli.exit_codes import ExitCode
from xray_gate.core.errors import InputError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_NAME = "demo-cifar10-classifier"
_MARK = ".xray-gate-demo"
_EXPERIMENT = "training"


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("xray-gate-demo"),
    show_default=True,
)
@click.option("--serve", is_flag=True, help="Leave the server up for a look at MLflow's UI.")
def demo(folder: Path, serve: bool) -> int:
    """Put the gate in front of a real MLflow server, and try to promote a backdoored model."""
    folder = _fresh_folder(folder)
    with resources.as_file(resources.files("xray_gate") / "data" / "demo") as data:
        shutil.copytree(data, folder / "data")
    click.echo(f"Starting an MLflow server with the gate, and a runner, in {folder} ...")
    with running_site(folder, folder / "data" / "policy.yaml") as site:
        click.echo(f"MLflow listens on {site.tracking_uri}\n")
        as_expected = _show(folder, site)
        if serve:
            click.echo(f"\nThe server stays up: open {site.tracking_uri} - Ctrl-C ends it.")
            _wait_for_interrupt()
    if not as_expected:
        click.echo("\nThe demo did not go as it should; see above and the logs.", err=True)
        return int(ExitCode.FAILED)
    return int(ExitCode.PASSED)


def _show(folder: Path, site: Site) -> bool:
    import mlflow
    from mlflow.tracking import MlflowClient

    mlflow.set_tracking_uri(site.tracking_uri)
    mlflow.set_registry_uri(site.tracking_uri)
    mlflow.set_experiment(_EXPERIMENT)
    client = MlflowClient()
    admitted = _register(client, folder, "clean", 1)
    promoted = _promote(client, 1)
    blocked = not _register(client, folder, "backdoored", 2)
    refused = not _promote(client, 2)
    champion = client.get_model_version_by_alias(_NAME, "champion").version if promoted else None
    click.echo(f"\nThe alias champion points to version {champion}.")
    click.echo("1 version admitted, 1 version blocked." if admitted and blocked else "")
    return admitted and promoted and blocked and refused and str(champion) == "1"


def _register(client: "MlflowClient", folder: Path, kind: str, version: int) -> bool:
    import mlflow
    from mlflow.exceptions import MlflowException

    click.echo(f"Registering the {kind} model as {_NAME}, version {version} ...")
    try:
        mlflow.register_model(_log_model(folder / "data" / f"{kind}.onnx"), _NAME)
    except MlflowException as error:
        click.echo(f"  BLOCKED   {_last_sentence(error)}")
        ready = False
    else:
        click.echo("  ADMITTED  mlflow.register_model returned, the version is READY")
        ready = True
    _keep_report(client, folder / "reports" / kind, version)
    return ready


def _log_model(path: Path) -> str:
    import mlflow
    import onnx

    with mlflow.start_run(run_name=path.stem):
        # Without this MLflow loads the model in a second process to guess its requirements.
        logged = mlflow.onnx.log_model(
            onnx.load(path), name="model", pip_requirements=["onnxruntime"]
        )
    return str(logged.model_uri)


def _promote(client: "MlflowClient", version: int) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.set_registered_model_alias(_NAME, "champion", version)
    except MlflowException as error:
        click.echo(f"  REFUSED   alias champion for version {version}: {error.error_code}")
        click.echo(f"            {error.message}")
        return False
    click.echo(f"  PROMOTED  alias champion points to version {version}")
    return True


def _keep_report(client: "MlflowClient", target: Path, version: int) -> None:
    tags = client.get_model_version(_NAME, str(version)).tags
    run_id = tags.get("xray_gate.scan_run_id")
    if not run_id:
        click.echo("  no report was logged; see runner.log")
        return
    target.mkdir(parents=True)
    client.download_artifacts(run_id, "", str(target))
    click.echo(f"  report    {target / 'report.html'}")
    click.echo(f"  planes    {target / 'planes'}")


def _last_sentence(error: Exception) -> str:
    # MLflow's own words stand in front of the gate's.
    return str(error).partition("message: ")[2] or str(error)


def _fresh_folder(folder: Path) -> Path:
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise InputError(f"{folder}: is not empty and no earlier demo; name another with --dir")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    return folder


def _wait_for_interrupt() -> None:
    import threading

    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
