"""A lab model as peers need it: logits that can be differentiated, and how often it was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.cifar_network import EXPORT_TOLERANCE, open_session
from xray_gate.backends.onnx_as_torch import convert

Arithmetic = Literal["float32", "bfloat16"]


def share(each: int, labels: int | None, classes: int) -> int:
    """What is left of ``each`` where what is meant for ``labels`` serves more classes; at least 1.

    None for ``labels``: every class gets all of it.
    """
    return each if labels is None else max(1, min(each, each * labels // classes))


@dataclass(frozen=True)
class Finding:
    """What a peer says of one model.

    Attributes:
        score: Larger is more suspicious.
        flagged: Whether the published threshold calls the model backdoored.
        suspected: Labels, the most suspicious first; never empty, also where nothing is flagged.
        statistics: Lists with one figure for each label, and single figures.
        gradient_steps: Steps of gradient descent, summed over the labels.

    """

    score: float
    flagged: bool
    suspected: list[int]
    statistics: dict[str, list[float] | list[int] | list[bool] | float]
    gradient_steps: int


@dataclass
class Network:
    """Images float32 ``[n, channels, height, width]`` in [0, 1] to logits ``[n, classes]``.

    ``asked`` counts the images that went through it.
    """

    scores: Callable[[Tensor], Tensor]
    classes: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    asked: int = 0

    def logits(self, images: Tensor, arithmetic: Arithmetic = "float32") -> Tensor:
        """Float32 logits; ``bfloat16`` rounds within, and doubles the speed where it is native."""
        self.asked += len(images)
        given = images.contiguous(memory_format=torch.channels_last)
        low = arithmetic == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=low):
            answers = self.scores(given)
        return answers.float()


def open_network(path: Path, device: torch.device, images: Tensor) -> Network:
    """A model's file as PyTorch, once it has answered as the file does.

    Args:
        path: An ONNX file; its first output is the logits.
        device: Where to run it.
        images: Some images to compare with onnxruntime.

    Raises:
        NoGradients: If the file cannot be converted.
        RuntimeError: If a logit differs by more than ``EXPORT_TOLERANCE`` of the largest, or of 1.

    """
    session = open_session(path, threads=1)
    given = {session.get_inputs()[0].name: images.cpu().numpy()}
    output = session.get_outputs()[0].name
    expected = np.asarray(session.run([output], given)[0])
    converted = convert(path, output, str(device))
    module = converted.module.to(memory_format=torch.channels_last)
    network = Network(lambda batch: converted.scores(module(batch)), expected.shape[1], device)
    with torch.inference_mode():
        found = network.logits(images.to(device)).cpu().numpy()
    gap = float(np.abs(found - expected).max())
    if not gap <= EXPORT_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RuntimeError(
            f"{path.name} in PyTorch differs from the file by {gap:.2e}; look for an operation "
            "that is converted differently"
        )
    network.asked = 0
    return network
