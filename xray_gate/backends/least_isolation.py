"""Whether a model may be opened in its format and in the isolation that there is."""

from collections.abc import Collection
from pathlib import Path

from xray_gate.backends.formats import ModelSource
from xray_gate.backends.sandbox.choice import why_not
from xray_gate.backends.sandbox.places import holds_home
from xray_gate.core.errors import InputError, ScanError
from xray_gate.core.isolation import ISOLATIONS, Isolation, LeastIsolation, suffices
from xray_gate.core.model_format import Format

# Formats whose files are programs of whoever made them. A TorchScript archive is no pickle of
# Python's, yet its code calls any operator of PyTorch, among them `aten::from_file`, which writes.
_PROGRAMS: frozenset[Format] = frozenset({"torchscript", "pt2", "mlflow-pytorch", "mlflow-pyfunc"})


def require_accepted(source: ModelSource, formats: Collection[Format]) -> None:
    """Raise `ScanError` where the model's format is none of `formats`."""
    if source.format not in formats:
        raise ScanError(
            f"{source.path}: is {source.format}, and the policy accepts "
            f"{', '.join(formats) or 'no format'} only; give the model in one of these formats"
        )


def check_isolation(found: Isolation, source: ModelSource, least: LeastIsolation) -> None:
    """Raise `ScanError` where `found` is weaker than `least` asks for the model's format."""
    program = source.format in _PROGRAMS
    wanted = least.pickled if program else least.other
    if suffices(found, wanted):
        return
    missing = [f"{name}: {why}" for name in ISOLATIONS if (why := why_not(name))]
    convert = ", or give the model as ONNX, which holds no code" if program else ""
    raise ScanError(
        f"{source.path}: the policy opens {source.format} in {wanted} at least, and here is only "
        f"{found} ({'; '.join(missing) or 'no other was allowed'}); install bubblewrap, or scan on "
        f"x86_64 or aarch64 under a kernel with Landlock{convert}"
    )


def readable_part(path: Path, source: ModelSource) -> Path:
    """What the model's process may read of it: the folder that was named, else the file.

    Raises `InputError` for a folder that holds the home directory.
    """
    folder = path.absolute()
    if not folder.is_dir():
        return source.path
    if not holds_home(folder):
        return folder
    if source.path.is_file():
        return source.path
    raise InputError(
        f"{folder}: holds the home directory, which a model must not read; move the model to a "
        "folder of its own"
    )
