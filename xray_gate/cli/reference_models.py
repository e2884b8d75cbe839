"""Which files and versions a calibration's command line names."""

from collections.abc import Sequence
from pathlib import Path

from xray_gate.core.errors import InputError
from xray_gate.scan.calibrating import ReferenceModel

_SUFFIXES = (".onnx", ".pt", ".pt2")


def models_at(path: Path) -> list[Path]:
    """The models of a folder, sorted, or the one that `path` is; `InputError` for none."""
    if path.is_dir() and not (path / "MLmodel").exists():
        inside = sorted(entry for entry in path.iterdir() if entry.suffix in _SUFFIXES)
        if not inside:
            raise InputError(f"{path}: the folder holds no .onnx, .pt or .pt2; check the path")
        return inside
    if not path.exists():
        raise InputError(f"{path}: there is no such model; check the path")
    return [path]


def models_of_groups(texts: Sequence[str]) -> list[tuple[Path, str | None]]:
    """Models and their groups, from PATH or NAME=PATH; without a name it is the folder's or file's.

    Raises `InputError` for none, and for two groups of one name.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        path = Path(text)
        if equals and name and rest and not path.exists():
            path = Path(rest)
        else:
            name = path.resolve().name if path.is_dir() else path.stem
        if name in found:
            raise InputError(
                f"--backdoored {text}: there is a group {name!r} already; give each one a name of "
                "its own, as NAME=PATH"
            )
        found[name] = path
    return [(path, name) for name, given in found.items() for path in models_at(given)]


def once_each(
    given: Sequence[ReferenceModel], admitted: Sequence[ReferenceModel]
) -> tuple[list[ReferenceModel], list[str]]:
    """All models, those of a digest once, and what was left out for that.

    In a registry the same bytes may be registered again; on a command line that is a mistake.
    Raises `InputError` for it, and for bytes that are said to be clean and backdoored.
    """
    by_digest: dict[str, ReferenceModel] = {}
    for model in given:
        if twin := by_digest.get(model.digest):
            raise InputError(
                f"{twin.place}, {model.place}: the same model counts once only; give each file once"
            )
        by_digest[model.digest] = model
    notes: list[str] = []
    for model in admitted:
        twin = by_digest.setdefault(model.digest, model)
        if twin.group is not None:
            raise InputError(
                f"{model.name}: was admitted, and the same files are given as backdoored "
                f"({twin.place}); find out which is right"
            )
        if twin is not model:
            notes.append(f"{model.name}: holds the same files as {twin.name}, which count once")
    return list(by_digest.values()), notes
