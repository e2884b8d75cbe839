"""Asking onnxruntime with bound buffers: on CUDA, inputs are read where they are made."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class BoundSession:
    """A session that reads its one input in place and writes its answers into a buffer of ours.

    For tensors of PyTorch on `device_type` ("cuda" or "cpu") and for arrays, which onnxruntime
    copies to the device itself. The output called `output` must be a tensor.
    """

    def __init__(self, session: Any, image: str, output: str, device_type: str) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._image, self._output = image, output
        self._device_type = device_type
        self._buffer: Array | None = None

    def run(self, batch: Any) -> Array:
        """The output for `batch`, contiguous and of the declared type; overwritten by the next."""
        rows = len(batch)
        bound = self._bind_output(rows)
        self._bind_input(batch)
        try:
            self._session.run_with_iobinding(self._binding)
        finally:
            # The tensor may be freed from here on.
            self._binding.clear_binding_inputs()
        if bound is not None:
            return bound
        output: Array = self._binding.copy_outputs_to_cpu()[0]
        if output.ndim and len(output) == rows:
            self._buffer = output
        return output

    def _bind_input(self, batch: Any) -> None:
        if isinstance(batch, np.ndarray):
            self._binding.bind_cpu_input(self._image, batch)
            return
        if batch.is_cuda:
            import torch

            # onnxruntime computes on a stream of its own, which does not wait for PyTorch's.
            torch.cuda.current_stream(batch.device).synchronize()
        dtype = np.dtype(str(batch.dtype).removeprefix("torch."))
        shape, place = tuple(batch.shape), batch.data_ptr()
        self._binding.bind_input(self._image, self._device_type, 0, dtype, shape, place)

    def _bind_output(self, rows: int) -> Array | None:
        """The part of the buffer that will hold the answers, or None where there is none yet."""
        buffer = self._buffer
        if buffer is None or len(buffer) < rows:
            self._binding.bind_output(self._output, "cpu")
            return None
        part = buffer[:rows]
        place = part.ctypes.data
        self._binding.bind_output(self._output, "cpu", 0, part.dtype, part.shape, place)
        return part
