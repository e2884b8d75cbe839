"""ONNX files through onnxruntime."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.backends.differentiation import TorchModule
from xray_gate.backends.fit import DeclaredInput, Shape
from xray_gate.backends.interface import ModelSpec, missing_extra, no_cuda, raise_unreadable
from xray_gate.backends.lanes import lanes_of
from xray_gate.backends.onnx_binding import BoundSession
from xray_gate.core.errors import InputError, ModelAnswerError
from xray_gate.scan.ports import Device

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}


class OnnxRunner:
    """A session with one image input; its first output is what answers.

    With `bound_on`, its kind of device, buffers are bound; `lanes` and `tensor_device` are those
    of `Runner`.
    """

    def __init__(
        self,
        session: Any,
        environment: dict[str, str],
        architecture: str | None,
        path: Path,
        *,
        lanes: int = 1,
        bound_on: str | None = None,
        tensor_device: Any = None,
    ) -> None:
        self.lanes = lanes
        self._path = path
        self.environment = environment
        self.architecture = architecture
        self._session = session
        self._input, self.declared = _image_input(session)
        answer = session.get_outputs()[0]
        self._output = answer.name
        self._bound: BoundSession | None = None
        self.tensor_device = None
        if bound_on is not None and str(answer.type).startswith("tensor("):
            self._bound = BoundSession(session, self._input, self._output, bound_on)
            self.tensor_device = tensor_device

    def run(self, batch: Any) -> npt.NDArray[Any]:
        """The first output for `batch`, which is contiguous and of the declared type."""
        if self._bound is not None:
            return self._bound.run(batch)
        (output,) = self._session.run([self._output], {self._input: batch})
        if not isinstance(output, np.ndarray):
            raise ModelAnswerError(
                f"the model's first output {self._output!r} is a {type(output).__name__}, not a "
                "tensor; export it with the scores as its first output"
            )
        return output

    def in_half(self) -> None:
        """None: a session computes as its file says."""

    def differentiable(self) -> TorchModule:
        """The file as a module of PyTorch, on the device of the session."""
        from xray_gate.backends.onnx_as_torch import convert

        return convert(self._path, self._output, self.environment["device"])


def open_onnx(spec: ModelSpec) -> OnnxRunner:
    """Load the file; `InputError` when it is no ONNX model or the device cannot be had."""
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_extra("onnxruntime", error) from error
    architecture = _architecture(spec.path)
    # A session may be run from several threads at once; each run then computes in its own.
    lanes, threads = lanes_of(spec.threads)
    session = _session(onnxruntime, spec, threads)
    provider = session.get_providers()[0]
    environment = {
        "onnxruntime": str(onnxruntime.__version__),
        "provider": provider,
        "device": "cuda" if provider == _CUDA else "cpu",
        "threads": str(spec.threads),
    }
    if provider != _CUDA:
        # Where nothing is copied to a device, bound buffers made no difference: batches took 0 to
        # 1 % longer, in 20 rounds of turns within one process.
        return OnnxRunner(session, environment, architecture, spec.path, lanes=lanes)
    device = _tensor_device()
    environment["points"] = "NumPy: PyTorch has no CUDA" if device is None else "PyTorch on cuda"
    return OnnxRunner(
        session, environment, architecture, spec.path, bound_on="cuda", tensor_device=device
    )


def _tensor_device() -> Any:
    """The session's device as PyTorch knows it, or None where it has no CUDA."""
    try:
        import torch
    except Exception:
        # Whatever is wrong with it, points can be made without.
        return None
    return torch.device("cuda:0") if torch.cuda.is_available() else None


def _session(ort: Any, spec: ModelSpec, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by spinning take the cores from others, whose batches are computed, too.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = _providers(ort, spec.device)
    try:
        session = ort.InferenceSession(str(spec.path), sess_options=options, providers=providers)
    except Exception as error:
        raise_unreadable(spec.path, error)
    # onnxruntime falls back to the CPU without an error when CUDA's libraries do not load.
    if spec.device == "cuda" and _CUDA not in session.get_providers():
        raise no_cuda("onnxruntime", "its CUDA provider did not start")
    return session


def _providers(ort: Any, device: Device) -> list[Any]:
    if device == "cpu":
        return [_CPU]
    if _CUDA not in ort.get_available_providers():
        if device == "cuda":
            raise no_cuda("onnxruntime", "this build has no CUDA provider")
        return [_CPU]
    with contextlib.suppress(Exception):
        ort.preload_dlls()
    # TF32 rounds the inputs to 10 bits: labels near a boundary would depend on the GPU.
    return [(_CUDA, {"use_tf32": "0"}), _CPU]


def _image_input(session: Any) -> tuple[str, DeclaredInput]:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise InputError(
            f"the model has {len(inputs)} inputs ({', '.join(i.name for i in inputs)[:100]}); "
            "export it with the image as its only input"
        )
    (image,) = inputs
    dtype = _DTYPES.get(image.type)
    if dtype is None:
        raise InputError(
            f"the model's input {image.name!r} is a {image.type}; export it with an input of "
            "float32, float16 or uint8"
        )
    return image.name, DeclaredInput(_shape(image.shape), dtype)


def _shape(lengths: list[Any] | None) -> Shape | None:
    """Free axes are names, None or not positive; a model may also declare no shape at all."""
    if not lengths:
        return None
    return tuple(n if isinstance(n, int) and n > 0 else None for n in lengths)


def _architecture(path: Path) -> str | None:
    """A hash over the kinds of operators, in order, and the shapes of the weights."""
    try:
        import onnx

        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception:
        # The report does without it; whether the model can be read is onnxruntime's to say.
        return None
    parts = [f"{node.domain}:{node.op_type}" for node in graph.node]
    parts += [str(tuple(weights.dims)) for weights in graph.initializer]
    return f"sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}"
