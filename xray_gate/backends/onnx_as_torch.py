"""An ONNX file as a module of PyTorch, for its gradients only: answers come from onnxruntime."""

from pathlib import Path

from xray_gate.backends.differentiation import TorchModule, as_constants
from xray_gate.backends.interface import clipped, speaks_of_memory
from xray_gate.core.errors import NoGradients


def convert(path: Path, output: str, device: str) -> TorchModule:
    """The file at `path`, converted by onnx2fx, with its output called `output` as the scores.

    Whether the module computes what the file does, nobody knows yet: `CheckedOracle` and
    `check_slopes` compare them. Raises `NoGradients` where it cannot be converted.
    """
    try:
        import onnx
        import onnx2fx
        import torch
    except Exception as error:
        raise NoGradients(
            f"gradients of ONNX files need a package that cannot be imported ({error}); install "
            "`xray-gate[cpu]` or `xray-gate[gpu]`"
        ) from error
    try:
        model = onnx.load(str(path))
        place = [value.name for value in model.graph.output].index(output)
        module = as_constants(onnx2fx.convert(model)).eval().to(torch.device(device))
    except Exception as error:
        if isinstance(error, MemoryError) or speaks_of_memory(str(error)):
            raise NoGradients(
                "there is not enough memory for a second form of the model, which gives gradients; "
                "raise limits.memory_mb, or set `patches_by: queries`"
            ) from error
        raise NoGradients(
            f"the ONNX file cannot be converted to PyTorch ({type(error).__name__}: "
            f"{clipped(error)}); set `patches_by: queries`, or give it in a format of PyTorch"
        ) from error
    return TorchModule(
        module,
        torch.device(device),
        lambda result: result[place] if isinstance(result, (tuple, list)) else result,
    )
