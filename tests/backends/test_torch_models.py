import zipfile
from pathlib import Path

import pytest
import torch

from tests.backends import tiny_torch
from tests.backends.asking import brightest, request, some_images
from xray_gate.backends.classifier import Asking, Classifier
from xray_gate.backends.fit import DeclaredInput
from xray_gate.backends.formats import find_source
from xray_gate.backends.interface import ModelSpec
from xray_gate.backends.isolation import open_model
from xray_gate.backends.torch_module import open_pt2, open_torchscript
from xray_gate.core.errors import InputError, ShapeMismatch
from xray_gate.probing.batches import Images
from xray_gate.probing.preprocessing import Preprocessing

pytestmark = [
    # PyTorch's own announcement about TorchScript, which users will have for years.
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning"),
]


def test_torchscript_answers_in_evaluation_mode(tmp_path: Path) -> None:
    path = tiny_torch.save_torchscript(tmp_path / "m.pt")
    images = some_images(19)
    with open_model(request(path)) as model:
        assert model.format == "torchscript"
        assert model.environment["torch"] == torch.__version__
        assert model.environment["device"] == "cpu"
        assert model.architecture is not None
        assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_torchscript_that_cannot_answer_the_shape_says_what_was_tried(tmp_path: Path) -> None:
    path = tiny_torch.save_torchscript(tmp_path / "m.pt")
    asking = Asking(Preprocessing(), "auto", 3, (5, 4, 4), batch_size=8)
    with pytest.raises(ShapeMismatch, match=r"\(1, 5, 4, 4\).*preprocessing\.layout"):
        Classifier(open_torchscript(ModelSpec(path, "cpu", 1)), asking)


def test_an_exported_program_answers(tmp_path: Path) -> None:
    path = tiny_torch.save_pt2(tmp_path / "m.pt2", free_batch=True)
    images = some_images(11)
    with open_model(request(path)) as model:
        assert model.format == "pt2"
        assert model.architecture is not None
        assert model.labels(Images(images)).tolist() == brightest(images).tolist()


def test_an_exported_program_declares_its_shape_and_fixed_batch(tmp_path: Path) -> None:
    path = tiny_torch.save_pt2(tmp_path / "m.pt2", free_batch=False)
    runner = open_pt2(ModelSpec(path, "cpu", 1))
    assert runner.declared == DeclaredInput((1, 3, 4, 4), "float32")
    images = some_images(5)
    asking = Asking(Preprocessing(), "auto", 3, (3, 4, 4), batch_size=8)
    labels = Classifier(runner, asking).labels(Images(images))
    assert labels.tolist() == brightest(images).tolist()


def test_an_archive_that_only_looks_like_torchscript_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/constants.pkl", b"")
        archive.writestr("m/code/__torch__.py", b"")
    assert find_source(path).format == "torchscript"
    with pytest.raises(InputError, match=r"m\.pt: the model cannot be loaded"):
        open_torchscript(ModelSpec(path, "cpu", 1))


def test_cuda_is_refused_where_there_is_none(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=r"PyTorch cannot use CUDA.*device auto or cpu"):
        open_torchscript(ModelSpec(tmp_path / "m.pt", "cuda", 1))
