"""PyTorch models: TorchScript, exported programs and MLflow's pytorch flavour."""

import contextlib
import copy
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.backends.differentiation import TorchModule, as_constants
from xray_gate.backends.fit import DeclaredInput
from xray_gate.backends.interface import ModelSpec, missing_extra, no_cuda, raise_unreadable
from xray_gate.backends.outputs import as_array
from xray_gate.core.errors import InputError
from xray_gate.scan.ports import Device


class TorchRunner:
    """A callable of one tensor."""

    # A module may keep what it computed, as masks and caches, for its next call.
    lanes = 1

    def __init__(
        self,
        module: Any,
        device: Any,
        declared: DeclaredInput,
        architecture: str | None,
        environment: dict[str, str],
    ) -> None:
        self.declared = declared
        self.architecture = architecture
        self.environment = environment
        self._module = module
        self._device = device
        on_cuda = device.type == "cuda"
        # On a CPU nothing is gained by it, and NumPy makes the points while the model computes.
        self.tensor_device = device if on_cuda else None
        self.half = "float16" if on_cuda and declared.dtype != "float16" else None
        self._autocast: str | None = None

    def run(self, batch: Any) -> npt.NDArray[Any]:
        """The output for `batch`; of a tuple or list the first, of a mapping `logits`."""
        import torch

        with torch.inference_mode():
            given = torch.as_tensor(batch, device=self._device)
            if self._autocast is None:
                return self._answer(given)
            # The model may overwrite what it is given.
            with torch.autocast(self._device.type, getattr(torch, self._autocast)):
                answer = self._answer(given.clone())
            # Points far outside the images overflow half precision, not single.
            finite = answer.dtype.kind != "f" or bool(np.isfinite(answer).all())
            return answer if finite else self._answer(given)

    def in_half(self) -> "TorchRunner | None":
        """The same module, its matrix products and convolutions in half precision."""
        if self.half is None:
            return None
        runner = copy.copy(self)
        runner._autocast = self.half
        runner.environment = {**self.environment, "precision": self.half}
        return runner

    def _answer(self, given: Any) -> npt.NDArray[Any]:
        import torch

        result = _main_output(self._module(given))
        if isinstance(result, torch.Tensor):
            # NumPy has no bfloat16, and the argmax of halves is that of their floats.
            result = result.float() if result.is_floating_point() else result
            result = result.cpu().numpy()
        return as_array(result)

    def differentiable(self) -> TorchModule:
        """The module itself."""
        return TorchModule(as_constants(self._module), self._device, _main_output)


def open_torchscript(spec: ModelSpec) -> TorchRunner:
    """Load a TorchScript archive; `InputError` when it is none."""
    torch, device = _prepare(spec)
    try:
        module = torch.jit.load(str(spec.path), map_location=device)
    except Exception as error:
        raise_unreadable(spec.path, error)
    return _of_module(torch, module, device, DeclaredInput())


def open_pt2(spec: ModelSpec) -> TorchRunner:
    """Load a program of torch.export; `InputError` when it is none."""
    torch, device = _prepare(spec)
    try:
        program = torch.export.load(str(spec.path))
        if device.type == "cuda":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, str(device))
    except Exception as error:
        raise_unreadable(spec.path, error)
    declared = _exported_input(program)
    kinds = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    architecture = _hash(kinds, program.state_dict.values())
    return TorchRunner(program.module(), device, declared, architecture, _facts(torch, device))


def open_mlflow_pytorch(spec: ModelSpec) -> TorchRunner:
    """Load a folder of MLflow's pytorch flavour; `InputError` when that fails."""
    torch, device = _prepare(spec)
    import mlflow.pytorch

    from xray_gate.backends.pyfunc import signature_input

    try:
        module = mlflow.pytorch.load_model(str(spec.path), map_location=device)
        _, declared = signature_input(mlflow.models.Model.load(str(spec.path)).signature)
    except Exception as error:
        raise_unreadable(spec.path, error)
    runner = _of_module(torch, module, device, declared)
    runner.environment["mlflow"] = str(mlflow.__version__)
    return runner


def _main_output(result: Any) -> Any:
    if isinstance(result, Mapping) and "logits" in result:
        result = result["logits"]
    return result[0] if isinstance(result, (tuple, list)) and result else result


def _prepare(spec: ModelSpec) -> tuple[Any, Any]:
    try:
        import torch
    except ImportError as error:
        raise missing_extra("torch", error) from error
    torch.set_num_threads(spec.threads)
    # TF32 rounds the inputs to 10 bits: labels near a boundary would depend on the GPU.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # The same seed must give the same report.
    torch.backends.cudnn.deterministic = True
    return torch, _device(torch, spec.device)


def _device(torch: Any, device: Device) -> Any:
    available = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not available:
        raise no_cuda("PyTorch", "torch.cuda.is_available() is false")
    return torch.device("cuda:0" if available else "cpu")


def _of_module(torch: Any, module: Any, device: Any, declared: DeclaredInput) -> TorchRunner:
    if not callable(module):
        raise InputError(
            f"the file holds a {type(module).__name__}, not a model; save the module itself"
        )
    architecture = None
    if isinstance(module, torch.nn.Module):
        module = module.to(device)
        # Exported programs have no modes: they are what they were when exported.
        with contextlib.suppress(NotImplementedError):
            module.eval()
        kinds = [getattr(m, "original_name", type(m).__name__) for m in module.modules()]
        architecture = _hash(kinds, module.parameters())
    return TorchRunner(module, device, declared, architecture, _facts(torch, device))


def _exported_input(program: Any) -> DeclaredInput:
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        raise InputError(
            f"the program has {len(names)} inputs; export it with the image as its only input"
        )
    (node,) = (node for node in program.graph.nodes if node.name == names[0])
    value = node.meta.get("val")
    if value is None:
        return DeclaredInput()
    # Free axes are symbols, not integers.
    shape = tuple(length if isinstance(length, int) else None for length in value.shape)
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in ("float16", "float32", "float64", "uint8"):
        raise InputError(
            f"the program's input is {dtype}; export it with an input of float32, float16 or uint8"
        )
    return DeclaredInput(shape, dtype)


def _hash(kinds: Iterable[str], weights: Iterable[Any]) -> str:
    parts = [*kinds, *(str(tuple(value.shape)) for value in weights)]
    return f"sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}"


def _facts(torch: Any, device: Any) -> dict[str, str]:
    facts = {
        "torch": str(torch.__version__),
        "device": device.type,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts
