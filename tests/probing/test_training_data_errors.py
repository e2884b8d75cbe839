import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.probing.making_training_data import (
    BYTES,
    FLOATS,
    GREY,
    LABELS,
    PNGS,
    npz,
    npz_with,
    parquet,
    png,
    raw,
    write_folder,
    write_npz,
    write_parquet,
    write_shards,
)
from xray_gate.core.errors import InputError
from xray_gate.probing import training_rows
from xray_gate.probing.training_data import open_training_data


def claiming(shape: tuple[int, ...], values: npt.NDArray[Any]) -> Callable[[Path], Path]:
    """An .npz file whose `images` claims a shape that its values do not have."""
    fields = {"shape": shape, "fortran_order": False, "descr": values.dtype.str}

    def write(file: Any) -> None:
        np.lib.format.write_array_header_1_0(file, fields)
        file.write(values.tobytes())

    return lambda tmp: npz_with(tmp, write)


def two_kinds(tmp: Path) -> Path:
    write_parquet(tmp / "t.parquet", PNGS, LABELS)
    (tmp / "validation").mkdir()
    return tmp


def one_bad_shard(tmp: Path) -> Path:
    write_parquet(tmp / "0.parquet", PNGS, LABELS)
    (tmp / "1.parquet").write_bytes(b"PAR1 or not")
    return tmp


REFUSED_AT_ONCE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "unknown kind": (raw("t.csv", b"1,2"), r"unknown kind of training data '.csv'; give"),
    "npz images as objects": (npz(images=np.array([{}] * 47)), "type object; save uint8"),
    "npz labels as objects": (npz(labels=np.array([{}] * 47)), "Object arrays cannot be loaded"),
    "npz in Fortran order": (npz(images=np.asfortranarray(BYTES)), r"ascontiguousarray\(images\)"),
    "npz in a later format": (
        lambda tmp: npz_with(tmp, lambda f: np.lib.format.write_array(f, BYTES, (3, 0))),
        r"format \(3, 0\), not 1.0 or 2.0",
    ),
    "npz with fewer values than said": (
        claiming(BYTES.shape, BYTES[:46]),
        r"`images` has 2888 bytes, 2948 are needed",
    ),
    "npz with huge images": (
        claiming((47, 10_000, 10_000, 3), BYTES[:1]),
        "too large to be read one at a time",
    ),
    "npz with negative labels": (npz(labels=np.arange(47) - 3), "found -3 in row 0; number"),
    "parquet with negative labels": (parquet(PNGS[:3], [0, 1, -7]), "found -7 in row 2"),
    "parquet with a broken start": (parquet([b"x", PNGS[1]], [0, 1]), "row 0: cannot be decoded"),
    "a broken shard": (one_bad_shard, r"1\.parquet: cannot be read as parquet"),
    "shards beside folders": (two_kinds, r"beside the folder 'validation', .*; give one"),
}


@pytest.mark.parametrize("name", REFUSED_AT_ONCE)
def test_what_files_say_of_themselves_is_checked_at_once(tmp_path: Path, name: str) -> None:
    write, message = REFUSED_AT_ONCE[name]
    path = write(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        open_training_data(path)
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value)


def with_row_30(images: list[bytes | None], row: bytes | None) -> list[bytes | None]:
    return [*images[:30], row, *images[31:]]


def floats_with(value: float) -> npt.NDArray[np.float64]:
    images = FLOATS.astype(np.float64)
    images[30, 1, 2, 3] = value
    return images


def broken_file(tmp: Path) -> Path:
    (write_folder(tmp / "t") / "b" / "deeper" / "99.png").write_bytes(PNGS[0][:-60])
    return tmp / "t"


def broken_shard(tmp: Path) -> Path:
    folder = write_shards(tmp / "t")
    images = with_row_30([*PNGS], PNGS[30][:-60])
    write_parquet(folder / "train-3.parquet", images[21:], LABELS[21:])
    return folder


NUMBERS = r"numbers in \[0, 1\] \(save uint8 images, or divide by 255\)"
# How to write it, how many samples come before the bad one, and what the error says.
REFUSED_ON_THE_WAY: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "floats up to 255": (npz(FLOATS * 255), 0, f"row 0: pixels range from 4 to 248; .*{NUMBERS}"),
    "one pixel too bright": (npz(floats_with(1.5)), 30, r"row 30: pixels range from .* to 1.5"),
    "one pixel too dark": (npz(floats_with(-0.25)), 30, r"row 30: pixels range from -0.25 to"),
    "no number": (npz(floats_with(np.nan)), 30, f"row 30: .* from nan to nan; .*{NUMBERS}"),
    "beyond float32": (npz(floats_with(1e300)), 30, "row 30: pixels range from .* to inf"),
    "broken image": (
        parquet(with_row_30([*PNGS], PNGS[30][:-60]), LABELS),
        30,
        "row 30: cannot be decoded as an image",
    ),
    "missing image": (
        parquet(with_row_30([*PNGS], None), LABELS),
        30,
        "row 30: `image.bytes` holds no bytes",
    ),
    "broken image in a shard": (broken_shard, 30, r"train-3\.parquet: row 9: cannot be decoded"),
    "broken file": (
        broken_file,
        int((LABELS <= 1).sum()),
        r"99\.png: cannot be decoded as an image",
    ),
    "another size": (
        parquet(with_row_30([*PNGS], png(BYTES[30, :3])), LABELS),
        30,
        r"row 30: is 3 x 4 pixels, .*row 0 is 5 x 4; set `size`",
    ),
    "rgb among grey": (
        parquet(with_row_30([png(image) for image in GREY], PNGS[30]), LABELS),
        30,
        r"row 30: has 3 channels instead of 1, which .*row 0 has; convert all",
    ),
}


@pytest.mark.parametrize("name", REFUSED_ON_THE_WAY)
def test_a_bad_sample_is_named_when_its_batch_comes(tmp_path: Path, name: str) -> None:
    write, sound, message = REFUSED_ON_THE_WAY[name]
    path = write(tmp_path)
    data = open_training_data(path)
    rows: list[int] = []
    with pytest.raises(InputError, match=message) as caught:
        rows.extend(int(batch.rows[0]) for batch in data.batches(1))
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value)
    assert rows == list(range(sound))
    with pytest.raises(InputError, match=message):
        data.take(np.arange(len(data))[::-1])
    assert len(data.take(np.arange(sound))) == sound


def test_a_resize_does_not_hide_pixels_out_of_range(tmp_path: Path) -> None:
    data = open_training_data(npz(floats_with(3.0))(tmp_path), size=(2, 2))
    with pytest.raises(InputError, match="row 30: pixels range"):
        list(data.batches(10))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_npz_is_refused_with_its_rows(tmp_path: Path, compressed: bool) -> None:
    images = np.tile(np.arange(64, dtype=np.uint8), (500, 1)).reshape(500, 8, 8, 1)
    images[:, 0, 0, 0] = np.random.default_rng(0).integers(0, 256, 500)
    path = tmp_path / "t.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, images=images, labels=np.arange(500) % 3)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("images.npy").header_offset
        middle = start + 100 + archive.getinfo("images.npy").compress_size // 2
    content = bytearray(path.read_bytes())
    content[middle : middle + 20] = bytes(value ^ 0xFF for value in content[middle : middle + 20])
    path.write_bytes(content)
    data = open_training_data(path)
    with pytest.raises(InputError, match=r"t\.npz: rows \d+ to \d+ cannot be read as .npz"):
        list(data.batches(10))


def fewer(path: Path) -> None:
    if path.suffix == ".npz":
        write_npz(path, BYTES[:20], LABELS[:20])
    else:
        write_parquet(path, PNGS[:20], LABELS[:20])


@pytest.mark.parametrize("write", [npz(), parquet(PNGS, LABELS)], ids=["npz", "parquet"])
def test_files_that_change_between_two_passes_are_noticed(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path)
    data = open_training_data(path)
    assert len(list(data.batches(47))) == 1
    fewer(path)
    with pytest.raises(InputError, match="changed while it was read; scan again"):
        list(data.batches(47))
    with pytest.raises(InputError, match="changed while it was read; scan again"):
        data.take(np.array([5, 40]))
    path.unlink()
    with pytest.raises(InputError, match=r"cannot be read as .*No such file"):
        data.take(np.array([5]))


def test_files_added_to_a_folder_later_move_no_rows(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "t")
    data = open_training_data(path)
    before = data.take(np.array([10]))
    (path / "a" / "deeper" / "0.png").write_bytes(PNGS[3])
    np.testing.assert_array_equal(data.take(np.array([10])), before)
    (path / data.name(10)).unlink()
    with pytest.raises(InputError, match="No such file"):
        data.take(np.array([10]))


def test_images_at_the_limit_of_a_row_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = npz()(tmp_path)
    monkeypatch.setattr(training_rows, "_MOST_VALUES_A_ROW", BYTES[0].size)
    assert len(open_training_data(path)) == 47
    monkeypatch.setattr(training_rows, "_MOST_VALUES_A_ROW", BYTES[0].size - 1)
    with pytest.raises(InputError, match="too large to be read one at a time; save them"):
        open_training_data(path)
