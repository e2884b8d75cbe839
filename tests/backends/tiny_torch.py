"""Real PyTorch modules of one 1x1 convolution: the label is the brightest channel."""

from pathlib import Path

import numpy as np
import torch


class Brightest(torch.nn.Module):
    """Answers with the means of the channels; while training, with noise."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 3, 1, bias=False)
        self.drop = torch.nn.Dropout(0.9)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self.drop(self.mix(image)).mean((2, 3))
        return means


def save_torchscript(path: Path) -> Path:
    """Saved while in training mode, as happens."""
    torch.jit.script(Brightest().train()).save(str(path))  # type: ignore[no-untyped-call]
    return path


class Writing(torch.nn.Module):
    """The same answers, and a file that it makes as it gives them."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        # What nobody uses would not be computed.
        return image.mean((2, 3)) + torch.from_file(self.file, True, 16).sum()


def save_writing_torchscript(path: Path, file: Path) -> Path:
    torch.jit.script(Writing(str(file))).save(str(path))  # type: ignore[no-untyped-call]
    return path


def save_pt2(path: Path, *, free_batch: bool) -> Path:
    batch = {0: torch.export.Dim("batch")} if free_batch else {}
    example = torch.rand(2 if free_batch else 1, 3, 4, 4)
    program = torch.export.export(Brightest().eval(), (example,), dynamic_shapes=(batch,))
    torch.export.save(program, path)
    return path


def save_pt2_for_any(path: Path) -> Path:
    return save_pt2(path, free_batch=True)


def save_pt2_for_one(path: Path) -> Path:
    return save_pt2(path, free_batch=False)


def save_mlflow(folder: Path) -> Path:
    """With MLflow's own pytorch flavour, as a folder."""
    import mlflow.pytorch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs = Schema([TensorSpec(np.dtype("float32"), (-1, 3, 4, 4))])
    mlflow.pytorch.save_model(
        torch.nn.Sequential(Brightest().mix, torch.nn.AdaptiveAvgPool2d(1)),
        str(folder),
        signature=ModelSignature(inputs=inputs),
        serialization_format="pickle",
        pip_requirements=["torch"],
    )
    return folder
