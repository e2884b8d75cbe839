"""A tiny pre-activation ResNet for 32x32 images, and sessions of exported networks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cifar_data import CLASSES, Images

ARCHITECTURE = "PreActResNet, widths 16-32-64, one block a stage, 78k parameters"
# Float32 sums in another order differ by a few 1e-6; a wrong graph differs by far more.
EXPORT_TOLERANCE = 1e-3
_CUDA = "CUDAExecutionProvider"


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
    """Uint8 ``[n, side, side, channels]`` as float32 ``[n, channels, side, side]`` in [0, 1]."""
    planar = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return planar.astype(np.float32) / np.float32(255)


def open_session(
    path: Path, threads: int, device: Literal["cpu", "cuda"] = "cpu"
) -> ort.InferenceSession:
    """Open an exported model.

    Raises:
        RuntimeError: If a GPU is asked for and onnxruntime cannot use one.

    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
    if device == "cuda":
        if _CUDA not in ort.get_available_providers():
            raise RuntimeError("this onnxruntime has no CUDA; install the extra gpu, not cpu")
        ort.preload_dlls()
        # TF32 rounds the inputs to 10 bits; the answers would differ from a CPU's.
        providers.insert(0, (_CUDA, {"use_tf32": "0"}))
    session = ort.InferenceSession(str(path), options, providers=providers)
    # onnxruntime falls back to the CPU without an error.
    if device == "cuda" and _CUDA not in session.get_providers():
        raise RuntimeError("onnxruntime's CUDA did not start; run benchmarks.gpu_check, or use cpu")
    return session


def run_session(
    session: ort.InferenceSession, images: Images, batch: int = 500
) -> npt.NDArray[np.float32]:
    """Logits ``[n, classes]`` of uint8 images ``[n, side, side, channels]``."""
    parts = [
        session.run(["logits"], {"image": to_input(images[start : start + batch])})[0]
        for start in range(0, len(images), batch)
    ]
    return np.concatenate(parts)
