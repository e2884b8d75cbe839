"""What a scan needs from the outside; adapters elsewhere fulfil it."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from xray_gate.core.isolation import LeastIsolation
from xray_gate.core.model_format import FORMATS, Format
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.oracle import SoftLabelOracle
from xray_gate.probing.preprocessing import Preprocessing

Device = Literal["auto", "cpu", "cuda"]
OutputKind = Literal["auto", "logits", "probabilities", "labels"]


@dataclass(frozen=True)
class ModelLimits:
    """What the process that holds the model may use.

    `seconds` is wall time over the whole scan, `memory_bytes` the size of the address space (on a
    CPU) of that process.
    """

    seconds: float = 600.0
    memory_bytes: int = 8 * 2**30


@dataclass(frozen=True)
class FileRules:
    """What the files of a model may be.

    `files` and `size_bytes`: how many there may be, and how large they may be together, unpacked.
    `unchecked_code`: whether code that nobody can check may be among them.
    """

    files: int = 10_000
    size_bytes: int = 16 * 2**30
    unchecked_code: bool = False


@dataclass(frozen=True)
class ModelRequest:
    """Which model to open, and how to ask it.

    `classes` is the number of labels the probes know (their largest label + 1); the model must
    have at least that many. `input_shape` is that of one probe: (channels, height, width). On
    `sample`, some of the probes as float32 (n, channels, height, width), half precision is compared
    with full precision before it is used; without it, it is not used. Without a `batch_size`, one
    is chosen for the shape and the device. A model is opened in no weaker `isolation`, and in none
    but these `formats`.
    """

    path: Path
    preprocessing: Preprocessing
    outputs: OutputKind
    classes: int
    input_shape: tuple[int, int, int]
    device: Device
    limits: ModelLimits
    isolation: LeastIsolation = field(default_factory=LeastIsolation)
    formats: Collection[Format] = FORMATS
    batch_size: int | None = None
    files: FileRules = FileRules()
    sample: FloatArray | None = field(default=None, compare=False, repr=False)


class OpenModel(SoftLabelOracle, Protocol):
    """A model that has been opened and answers questions."""

    @property
    def format(self) -> str:
        """`onnx`, `torchscript`, `pt2`, `mlflow-pytorch` or `mlflow-pyfunc`."""
        ...

    @property
    def architecture(self) -> str | None:
        """A hash over layer kinds and weight shapes where the format shows them."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """Versions and device that answered, and the isolation they answered in."""
        ...


# Looks at the files of a model before they are loaded; raises `ScanError` for what must not be.
FileCheck = Callable[[Path, FileRules], None]

ModelOpener = Callable[[ModelRequest], AbstractContextManager[OpenModel]]
