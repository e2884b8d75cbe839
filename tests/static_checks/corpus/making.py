"""What the rows of the corpus are made of."""

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Builds a model in an empty folder and gives its path; the text is Python source that would write
# the canary and call the listener.
Builder = Callable[[Path, str], Path]

MLMODEL = "flavors: {pytorch: {model_data: data, code: null}, python_function: {data: data}}\n"
BENIGN = pickle.dumps({"weight": [1.0, 2.0]}, 2)


@dataclass(frozen=True)
class Row:
    """`said`: what the refusal must say, as a regular expression. `limits` of the policy."""

    name: str
    build: Builder
    said: str
    limits: dict[str, Any] = field(default_factory=dict)


class Runs:
    """Runs `source` when it is unpickled."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __reduce__(self) -> Any:
        return exec, (self.source,)


def runs(source: str, protocol: int = 4) -> bytes:
    return pickle.dumps(Runs(source), protocol)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED, **changes: Any) -> bytes:
    """An archive of the files in their order; `changes` are attributes of every entry."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            for key, value in changes.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return target.getvalue()


def torch_archive(pickled: bytes = BENIGN, **more: bytes) -> bytes:
    """As torch.save writes it, with another pickle."""
    return zipped({"m/data.pkl": pickled, "m/version": b"3\n", **more})


def mlflow_model(folder: Path, files: Mapping[str, bytes], mlmodel: str = MLMODEL) -> Path:
    """A folder of MLflow's pytorch flavour that holds `files`."""
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text(mlmodel)
    for name, content in files.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(content)
    return model


def one(name: str, content: Callable[[str], bytes]) -> Builder:
    """A folder of MLflow's whose file `name` holds what `content` makes of the source."""
    return lambda folder, source: mlflow_model(folder, {name: content(source)})


def file(name: str, content: Callable[[str], bytes]) -> Builder:
    """A single file."""

    def build(folder: Path, source: str) -> Path:
        path = folder / name
        path.write_bytes(content(source))
        return path

    return build
