"""ONNX export of a trained network, checked against the network that it came from."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

from benchmarks.cifar_data import Images
from benchmarks.cifar_network import EXPORT_TOLERANCE, run_session, to_input

OPSET = 17


def export_onnx(network: nn.Module, path: Path, channels: int, side: int) -> None:
    """Write one file: ``image`` float32 [batch, channels, side, side] in [0, 1] to ``logits``.

    The network is left in evaluation mode. The TorchScript exporter is used because it keeps the
    weights inside the file and needs no package beyond torch and onnx.
    """
    network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        # The exporter announces its own deprecation on every call.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, channels, side, side),),
            str(path),
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            dynamo=False,
        )


def check_export(network: nn.Module, session: ort.InferenceSession, images: Images) -> float:
    """Compare the exported graph with the network.

    Returns:
        The largest absolute difference of any logit over ``images`` (uint8 [n, h, w, channels]).

    Raises:
        RuntimeError: If it exceeds ``EXPORT_TOLERANCE`` relative to the largest logit (at least 1).

    """
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(to_input(images))).numpy()
    gap = float(np.abs(expected - run_session(session, images, batch=len(images))).max())
    if not gap <= EXPORT_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RuntimeError(
            f"the exported graph differs from the network by {gap:.2e}; "
            "look for an operation that the exporter translates differently"
        )
    return gap
