"""A tiny pre-activation ResNet for 32x32 images and its ONNX export."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cifar_data import CLASSES, SIDE, Images

ARCHITECTURE = "PreActResNet, widths 16-32-64, one block a stage, 78k parameters"
OPSET = 17
# Float32 sums in another order differ by a few 1e-6; a wrong graph differs by far more.
EXPORT_TOLERANCE = 1e-3


class PreActBlock(nn.Module):
    """Batch norm, ReLU and convolution, twice, plus a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = (
            nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, inputs, h, w]`` to ``[batch, outputs, h / stride, w / stride]``."""
        active = functional.relu(self.norm1(x), inplace=True)
        skipped: Tensor = x if self.shortcut is None else self.shortcut(active)
        hidden: Tensor = self.conv2(functional.relu(self.norm2(self.conv1(active)), inplace=True))
        return hidden + skipped


class TinyPreActResNet(nn.Module):
    """About 78,000 parameters; images in [0, 1] go in, normalisation is part of the network.

    Args:
        generator: Source of the initial weights, so that no global state decides them.

    """

    mean: Tensor
    std: Tensor

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1))
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.stages = nn.Sequential(
            PreActBlock(16, 16, 1), PreActBlock(16, 32, 2), PreActBlock(32, 64, 2)
        )
        self.norm = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map float32 ``[batch, 3, 32, 32]`` in [0, 1] to logits ``[batch, 10]``."""
        hidden = self.stages(self.stem((image - self.mean) / self.std))
        pooled = functional.relu(self.norm(hidden), inplace=True).mean(dim=(2, 3))
        logits: Tensor = self.head(pooled)
        return logits


def to_input(images: Images) -> npt.NDArray[np.float32]:
    """Turn uint8 ``[n, 32, 32, 3]`` in 0..255 into float32 ``[n, 3, 32, 32]`` in [0, 1]."""
    planar = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return planar.astype(np.float32) / np.float32(255)


def export_onnx(network: TinyPreActResNet, path: Path) -> None:
    """Write one file: ``image`` float32 [batch, 3, 32, 32] to ``logits`` [batch, 10].

    The network is left in evaluation mode. The TorchScript exporter is used because it keeps the
    weights inside the file and needs no package beyond torch and onnx.
    """
    network.eval()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        # The exporter announces its own deprecation on every call.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIDE, SIDE),),
            str(path),
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            dynamo=False,
        )


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Open an exported model on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_session(
    session: ort.InferenceSession, images: Images, batch: int = 500
) -> npt.NDArray[np.float32]:
    """Logits ``[n, 10]`` of uint8 images ``[n, 32, 32, 3]``."""
    parts = [
        session.run(["logits"], {"image": to_input(images[start : start + batch])})[0]
        for start in range(0, len(images), batch)
    ]
    return np.concatenate(parts)


def check_export(network: TinyPreActResNet, session: ort.InferenceSession, images: Images) -> float:
    """Compare the exported graph with the network it came from.

    Returns:
        The largest absolute difference of any logit over ``images`` (uint8 [n, 32, 32, 3]).

    Raises:
        RuntimeError: If it exceeds ``EXPORT_TOLERANCE``.

    """
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(to_input(images))).numpy()
    gap = float(np.abs(expected - run_session(session, images, batch=len(images))).max())
    if not gap <= EXPORT_TOLERANCE:
        raise RuntimeError(f"the exported graph differs from the network by {gap:.2e}")
    return gap
