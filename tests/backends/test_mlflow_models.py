from pathlib import Path

import pytest

from tests.backends import tiny_onnx, tiny_torch
from tests.backends.asking import brightest, request, some_images
from tests.backends.tiny_pyfunc import write_pyfunc
from xray_gate.backends.fit import DeclaredInput
from xray_gate.backends.interface import raise_unreadable
from xray_gate.backends.isolation import open_model
from xray_gate.backends.pyfunc import signature_input
from xray_gate.core.errors import InputError, ModelProcessError
from xray_gate.probing.batches import Images

LOADER = """
import os, signal, sys
import numpy as np

class Model:
    def predict(self, images):
        print("a library that prints")
        os.write(1, b"\\\\x00\\\\x00\\\\x00\\\\x02{}")
        if images.max() > 0.99:
            print("\\x1b[31mlast words\\x1b[0m", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        leaked = [name for name in os.environ if "SECRET" in name or "MLFLOW_TRACKING" in name]
        return {"label": np.full(len(images), len(leaked))}

def _load_pyfunc(path):
    return Model()
"""


def test_a_pyfunc_sees_no_secrets_may_print_and_its_crash_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush")
    images = some_images(3) * 0.9
    path = write_pyfunc(tmp_path / "model", LOADER.replace("0.99", "1.5"))
    with open_model(request(path)) as model:
        assert model.format == "mlflow-pyfunc"
        assert model.architecture is None
        assert "mlflow" in model.environment
        assert model.labels(Images(images)).tolist() == [0, 0, 0]
        with pytest.raises(ModelProcessError, match=r"killed by SIGKILL.*last words") as caught:
            model.labels(Images(images + 1))
        assert "\x1b" not in str(caught.value)
        with pytest.raises(ModelProcessError, match="killed by SIGKILL"):
            model.labels(Images(images))


# MLflow's own, at its import.
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_what_save_model_writes_for_pytorch_is_opened_by_its_flavour(tmp_path: Path) -> None:
    import mlflow.models

    folder = tiny_torch.save_mlflow(tmp_path / "model")
    declared = DeclaredInput((None, 3, 4, 4), "float32")
    assert signature_input(mlflow.models.Model.load(str(folder)).signature) == (None, declared)
    images = some_images(9)
    with open_model(request(folder)) as model:
        assert model.format == "mlflow-pytorch"
        assert model.architecture is not None
        assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_the_onnx_flavour_is_opened_by_its_file(tmp_path: Path) -> None:
    tiny_onnx.brightest_channel(tmp_path / "model.onnx")
    (tmp_path / "MLmodel").write_text(
        "flavors: {onnx: {data: model.onnx}, python_function: {loader_module: mlflow.onnx}}"
    )
    images = some_images(4)
    with open_model(request(tmp_path)) as model:
        assert model.format == "onnx"
        assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_a_model_that_needs_a_missing_package_says_which() -> None:
    error = ModuleNotFoundError("No module named 'sklearn'")
    with pytest.raises(InputError, match=r"model: .*'sklearn'.*install what its requirements"):
        raise_unreadable(Path("model"), error)
