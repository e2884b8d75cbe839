"""What the model's process needs of a back end; each back end is one file beside this one."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy.typing as npt

from xray_gate.backends.fit import DeclaredInput
from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray
from xray_gate.scan.ports import Device

_OUT_OF_MEMORY = re.compile(
    r"bad[_ ]alloc|MemoryError|can(?:no|')t allocate memory|failed to allocate memory|"
    r"not enough memory|failed to map segment|can't start new thread|CUDA.{0,20}out of memory",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ModelSpec:
    """A model to load: `path` absolute, `threads` the CPU threads it may compute with."""

    path: Path
    device: Device
    threads: int


class Runner(Protocol):
    """A model that is loaded and takes batches of its own input."""

    @property
    def declared(self) -> DeclaredInput:
        """What the model file says of its input."""
        ...

    @property
    def architecture(self) -> str | None:
        """`sha256:` and a hash over layer kinds and weight shapes, or None."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """Versions and `device` ("cpu" or "cuda") that answer."""
        ...

    @property
    def tensor_device(self) -> Any:
        """Where `run` takes tensors of PyTorch as well as arrays, or None where it does not."""
        ...

    @property
    def lanes(self) -> int:
        """How many batches `run` takes at once, from as many threads; at least 1."""
        ...

    def run(self, batch: Any) -> npt.NDArray[Any]:
        """The raw output for a preprocessed batch; with one lane, the next may overwrite it.

        Any exception of the model's passes through.
        """
        ...

    def in_half(self) -> "Runner | None":
        """The same model in half precision, where that is faster.

        Its environment names its `precision`. Where it overflows, it answers in full precision.
        """
        ...

    def differentiable(self) -> "Differentiable":
        """The same model, to be asked for gradients; raises `NoGradients` where it shows none."""
        ...


class Differentiable(Protocol):
    """A model that can be asked for gradients by its own input."""

    def slopes(
        self, inputs: npt.NDArray[Any], label: int, normalised: bool
    ) -> tuple[npt.NDArray[Any], FloatArray]:
        """The raw output for `inputs`, and float32 like `inputs`: `Slopes.log_odds` by the input.

        `normalised`: the output is probabilities already. Raises `NoGradients`, and MemoryError.
        """
        ...


def speaks_of_memory(text: str) -> bool:
    """Whether a library's last words say that memory ran out (C++ raises no MemoryError)."""
    return _OUT_OF_MEMORY.search(text) is not None


def raise_unreadable(path: Path, error: Exception) -> NoReturn:
    """Turn a library's failure to load `path` into `InputError`, or MemoryError when it is that."""
    if isinstance(error, MemoryError) or speaks_of_memory(f"{type(error).__name__}: {error}"):
        raise MemoryError(str(error)) from error
    if isinstance(error, ImportError):
        raise InputError(
            f"{path.name}: the model needs a package that is missing ({clipped(error)}); install "
            "what its requirements name beside xray-gate"
        ) from error
    raise InputError(
        f"{path.name}: the model cannot be loaded ({type(error).__name__}: {clipped(error)}); "
        "check that the file is whole and was written by a version that is supported here"
    ) from error


def clipped(error: BaseException) -> str:
    """The error's text in one line of at most 200 characters, to be quoted in another."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:200]}..."


def missing_extra(module: str, error: ImportError) -> InputError:
    """The error for a runtime that is not installed or cannot be imported.

    Raises MemoryError where it is there, and memory ran out while it was loaded.
    """
    if speaks_of_memory(str(error)):
        raise MemoryError(str(error)) from error
    return InputError(
        f"{module} cannot be imported ({error}); install `xray-gate[cpu]` or `xray-gate[gpu]`"
    )


def no_cuda(library: str, reason: str) -> InputError:
    """The error for `device cuda` where there is none."""
    return InputError(
        f"{library} cannot use CUDA ({reason}); install `xray-gate[gpu]` on a machine with an "
        "NVIDIA GPU, or choose the device auto or cpu"
    )
