"""The files of the MODEL that a command line names."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from xray_gate.core.errors import InputError
from xray_gate.core.model_ref import parse_model_ref


@contextmanager
def local_model(text: str) -> Iterator[Path]:
    """The model's files here; MLflow's URIs are downloaded for the time of the context.

    Raises `InputError` for other URIs, and where nothing can be downloaded.
    """
    ref = parse_model_ref(text)
    folder = nullcontext("") if ref.path is not None else TemporaryDirectory(prefix="xray-gate-")
    with folder as name:
        if ref.path is not None:
            yield ref.path
            return
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            path = mlflow.artifacts.download_artifacts(artifact_uri=ref.text, dst_path=name)
        except (MlflowException, OSError) as error:
            raise InputError(
                f"{ref.text}: could not be downloaded ({error}); check the name and "
                "MLFLOW_TRACKING_URI"
            ) from error
        yield Path(path)
