"""Training data as the tests write it: small files of each kind, sound or not."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

BYTES = np.random.default_rng(0).integers(0, 256, (47, 5, 4, 3), dtype=np.uint8)
GREY = BYTES[..., :1]
LABELS = np.random.default_rng(1).integers(0, 4, 47)
FLOATS = (BYTES.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")
    return file.getvalue()


PNGS = [png(image) for image in BYTES]


def write_npz(path: Path, images: Any, labels: Any) -> Path:
    np.savez(path, images=images, labels=labels)
    return path


def write_parquet(
    path: Path, images: Sequence[bytes | None], labels: Any, flat: bool = False
) -> Path:
    encoded = pa.array(images, pa.binary())
    column = encoded if flat else pa.StructArray.from_arrays([encoded], ["bytes"])
    table = pa.table({"image.bytes" if flat else "image": column, "label": pa.array(labels)})
    pq.write_table(table, path, row_group_size=7)
    return path


def write_shards(folder: Path) -> Path:
    folder.mkdir()
    for index, (start, stop) in enumerate([(0, 20), (20, 20), (20, 21), (21, 47)]):
        shard = folder / f"train-{index}.parquet"
        write_parquet(shard, PNGS[start:stop], LABELS[start:stop])
    (folder / ".cache").mkdir()
    (folder / "README.md").write_text("how it was made")
    return folder


def write_folder(folder: Path) -> Path:
    """The images in the order of their labels, so that stored order is known."""
    for place, row in enumerate(np.argsort(LABELS, kind="stable")):
        file = folder / "abcd"[LABELS[row]] / "deeper" / f"{place:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(PNGS[row])
    return folder


def npz_with(tmp_path: Path, write: Callable[[Any], None]) -> Path:
    """An .npz file with sound labels, and what `write` writes to the member of the images."""
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        with archive.open("labels.npy", "w") as member:
            np.lib.format.write_array(member, LABELS)
        with archive.open("images.npy", "w") as member:
            write(member)
    return tmp_path / "t.npz"


def npz(images: Any = BYTES, labels: Any = LABELS) -> Callable[[Path], Path]:
    return lambda tmp: write_npz(tmp / "t.npz", images, labels)


def parquet(images: Sequence[bytes | None], labels: Any) -> Callable[[Path], Path]:
    return lambda tmp: write_parquet(tmp / "t.parquet", images, labels)


def table(columns: Mapping[str, Any]) -> Callable[[Path], Path]:
    def write(tmp: Path) -> Path:
        pq.write_table(pa.table(dict(columns)), tmp / "t.parquet")
        return tmp / "t.parquet"

    return write


def raw(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(tmp: Path) -> Path:
        (tmp / name).write_bytes(content)
        return tmp / name

    return write
