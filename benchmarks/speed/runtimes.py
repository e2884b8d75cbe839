"""A model opened the usual way: an onnxruntime session, or a module of PyTorch.

Nothing here knows the product, but both ask the same runtime with as many threads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.speed.plan import Floats


class Runtime(Protocol):
    """A model that takes images float32 ``[n, channels, height, width]``."""

    def put(self, images: Floats) -> Any:
        """The images where the model wants them."""
        ...

    def run(self, batch: Any) -> Any:
        """Its scores for what ``put`` gave, wherever they are."""
        ...

    def fetch(self, scores: Any) -> npt.NDArray[np.floating]:
        """Scores ``[n, classes]`` in main memory."""
        ...

    def wait(self) -> None:
        """Come back when all that was asked has been computed."""
        ...


class OnnxRuntime:
    """A session on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), settings, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def put(self, images: Floats) -> Floats:
        """See ``Runtime``."""
        return images

    def run(self, batch: Floats) -> npt.NDArray[np.floating]:
        """See ``Runtime``."""
        scores: npt.NDArray[np.floating] = self._session.run(None, {self._input: batch})[0]
        return scores

    def fetch(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """See ``Runtime``."""
        return scores

    def wait(self) -> None:
        """See ``Runtime``."""


class TorchRuntime:
    """An exported program or a TorchScript archive, on the CPU or the first GPU."""

    def __init__(self, path: Path, device: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        # As the product does: TF32 would round to 10 bits.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self._torch = torch
        self._device = torch.device("cuda:0" if device == "cuda" else "cpu")
        self._module = self._load(path)

    def _load(self, path: Path) -> Any:
        if path.suffix != ".pt2":
            load: Any = self._torch.jit.load
            return load(str(path), map_location=self._device).eval()
        program = self._torch.export.load(str(path))
        if self._device.type == "cuda":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, str(self._device))
        return program.module()

    def put(self, images: Floats) -> Any:
        """See ``Runtime``."""
        return self._torch.from_numpy(images).to(self._device)

    def run(self, batch: Any) -> Any:
        """See ``Runtime``."""
        with self._torch.inference_mode():
            return self._module(batch)

    def fetch(self, scores: Any) -> npt.NDArray[np.floating]:
        """See ``Runtime``."""
        found: npt.NDArray[np.floating] = scores.float().cpu().numpy()
        return found

    def wait(self) -> None:
        """See ``Runtime``."""
        if self._device.type == "cuda":
            self._torch.cuda.synchronize()


def open_runtime(path: Path, device: str, threads: int) -> Runtime:
    """Open an ``.onnx``, ``.pt`` or ``.pt2`` file.

    Raises:
        ValueError: For an ONNX file on a GPU.

    """
    if path.suffix != ".onnx":
        return TorchRuntime(path, device, threads)
    if device != "cpu":
        raise ValueError(f"{path}: is asked on the CPU only; give the model as .pt2 for {device}")
    return OnnxRuntime(path, threads)
