import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.probing.making_training_data import parquet, png, raw, write_parquet
from xray_gate.core.errors import InputError
from xray_gate.probing import probe_arrays
from xray_gate.probing.probe_arrays import balanced
from xray_gate.probing.probe_files import read_probes

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
GREY = COLOUR[..., :1]
LABELS = np.array([0, 1, 2, 0, 1, 2])
PNGS = [png(image) for image in COLOUR]
FLOATS = (COLOUR.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)


def write_npz(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "probes.npz"
    np.savez(path, **arrays)
    return path


def write_folder(tmp_path: Path, names: tuple[str, ...] = ("a", "b", "c")) -> Path:
    root = tmp_path / "probes"
    for index, (image, label) in enumerate(zip(COLOUR, LABELS, strict=True)):
        folder = root / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.png").write_bytes(png(image))
    return root


@pytest.mark.parametrize("stored", [COLOUR, GREY], ids=["colour", "grey"])
def test_bytes_in_an_npz_are_scaled_and_turned(
    tmp_path: Path, stored: npt.NDArray[np.uint8]
) -> None:
    path = write_npz(tmp_path, images=stored, labels=LABELS.astype(np.uint8))
    probes = read_probes(path)
    assert probes.images.dtype == np.float32
    assert probes.images.flags.c_contiguous
    np.testing.assert_allclose(probes.images, stored.transpose(0, 3, 1, 2) / 255.0, atol=1e-7)
    assert probes.labels.dtype == np.int64
    assert probes.labels.tolist() == LABELS.tolist()
    assert probes.source == str(path)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_an_npz_are_taken_as_they_are(tmp_path: Path, dtype: Any) -> None:
    stored = FLOATS.astype(dtype)
    probes = read_probes(write_npz(tmp_path, images=stored, labels=LABELS))
    assert probes.images.dtype == np.float32
    np.testing.assert_array_equal(probes.images, stored.astype(np.float32))


@pytest.mark.parametrize("flat", [False, True], ids=["struct", "flat"])
def test_parquet_holds_encoded_images(tmp_path: Path, flat: bool) -> None:
    path = write_parquet(tmp_path / "probes.parquet", PNGS, LABELS, flat)
    probes = read_probes(path)
    np.testing.assert_array_equal(probes.images, FLOATS)
    assert probes.labels.tolist() == LABELS.tolist()


def test_parquet_keeps_grey_images_grey(tmp_path: Path) -> None:
    probes = read_probes(parquet([png(image) for image in GREY], LABELS)(tmp_path))
    np.testing.assert_array_equal(probes.images, FLOATS[:, :1])


def test_parquet_rows_beyond_the_first_batch_and_group_are_found(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    images = [png(np.full((2, 2), row, np.uint8)) for row in range(200)]
    struct = pa.StructArray.from_arrays([pa.array(images, pa.binary())], ["bytes"])
    labels = np.array([0] * 150 + [1] * 50)
    pq.write_table(pa.table({"image": struct, "label": labels}), path, row_group_size=70)
    probes = read_probes(path, limit=4)
    assert probes.labels.tolist() == [0, 0, 1, 1]
    assert np.rint(probes.images[:, 0, 0, 0] * 255).tolist() == [0, 1, 150, 151]


def test_a_folder_numbers_its_sorted_sub_folders(tmp_path: Path) -> None:
    probes = read_probes(write_folder(tmp_path, ("cat", "dog", "ant")))
    order = [2, 5, 0, 3, 1, 4]
    assert probes.labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(probes.images, FLOATS[order])


def test_sub_folders_named_by_numbers_are_the_labels(tmp_path: Path) -> None:
    probes = read_probes(write_folder(tmp_path, ("10", "2", "007")))
    assert sorted(probes.labels.tolist()) == [2, 2, 7, 7, 10, 10]
    np.testing.assert_array_equal(probes.images[probes.labels == 10], FLOATS[[0, 3]])


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    (root / "a" / ".DS_Store").write_bytes(b"no image")
    (root / ".cache").mkdir()
    assert read_probes(root).present_classes == (0, 1, 2)


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK", "LA"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    root = write_folder(tmp_path)
    suffix = "tiff" if mode == "CMYK" else "png"
    (root / "a" / "0.png").unlink()
    Image.new("RGB", (4, 5), (255, 0, 0)).convert(mode).save(root / "a" / f"0.{suffix}")
    first = read_probes(root).images[0]
    red = np.array([76, 76, 76] if mode == "LA" else [255, 0, 0]) / 255.0
    np.testing.assert_allclose(first, np.broadcast_to(red[:, None, None], (3, 5, 4)), atol=0.01)


def test_grey_images_among_coloured_ones_become_rgb(tmp_path: Path) -> None:
    images = [png(COLOUR[0]), png(GREY[1]), png(COLOUR[2])]
    probes = read_probes(parquet(images, [0, 1, 2])(tmp_path))
    np.testing.assert_array_equal(probes.images[1], np.repeat(FLOATS[1, :1], 3, axis=0))


@pytest.mark.parametrize("write", ["bytes", "floats", "parquet", "folder"])
def test_a_size_applies_to_every_kind(tmp_path: Path, write: str) -> None:
    path = {
        "bytes": lambda: write_npz(tmp_path, images=COLOUR, labels=LABELS),
        "floats": lambda: write_npz(tmp_path, images=FLOATS, labels=LABELS),
        "parquet": lambda: parquet(PNGS, LABELS)(tmp_path),
        "folder": lambda: write_folder(tmp_path, ("0", "1", "2")),
    }[write]()
    probes = read_probes(path, size=(10, 6))
    first = Image.fromarray(COLOUR[0]).resize((6, 10), Image.Resampling.BILINEAR)
    expected = np.asarray(first).transpose(2, 0, 1) / 255.0
    assert probes.images.shape == (6, 3, 10, 6)
    np.testing.assert_allclose(probes.images[0], expected, atol=1.01 / 255)


def test_a_size_brings_images_of_different_sizes_together(tmp_path: Path) -> None:
    images = [png(COLOUR[0]), png(COLOUR[1, :3]), png(COLOUR[2, :, :2])]
    probes = read_probes(parquet(images, [0, 1, 2])(tmp_path), size=(4, 4))
    assert probes.images.shape == (3, 3, 4, 4)


def test_the_selection_is_balanced_and_keeps_the_stored_order() -> None:
    labels = np.array([0, 0, 0, 0, 1, 0, 2, 1, 1, 0])
    assert balanced(labels, 6).tolist() == [0, 1, 2, 4, 6, 7]
    assert balanced(labels, 3).tolist() == [0, 4, 6]
    assert balanced(labels, 100).tolist() == list(range(10))


def test_the_same_file_gives_the_same_set(tmp_path: Path) -> None:
    path = write_npz(tmp_path, images=COLOUR, labels=LABELS)
    assert read_probes(path, limit=4).sha256 == read_probes(path, limit=4).sha256
    assert read_probes(path, limit=4).labels.tolist() == [0, 1, 2, 0]


def bad_npz(**arrays: Any) -> Callable[[Path], Path]:
    return lambda tmp_path: write_npz(tmp_path, **arrays)


def broken_image(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_bytes(b"no image")
    return tmp_path


MALFORMED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "unknown kind": (raw("probes.csv", b"1,2"), r"unknown kind of probe file '.csv'"),
    "objects": (bad_npz(images=np.array([{}, 1, 2]), labels=LABELS), "plain number arrays"),
    "floats up to 255": (bad_npz(images=FLOATS * 255, labels=LABELS), r"divide by 255"),
    "not a number": (bad_npz(images=FLOATS * np.nan, labels=LABELS), "NaN or infinite"),
    "doubles beyond float32": (
        bad_npz(images=np.full(FLOATS.shape, 1e300), labels=LABELS),
        "NaN or infinite",
    ),
    "one class": (bad_npz(images=COLOUR, labels=LABELS * 0), "at least three classes"),
    "parquet with an image missing": (
        parquet([png(COLOUR[0]), None, png(COLOUR[2])], [0, 1, 2]),
        "row 1: `image.bytes` holds no bytes",
    ),
    "parquet with a broken image": (
        parquet([png(COLOUR[0]), png(COLOUR[1])[:-60]], [0, 1]),
        "row 1: cannot be decoded",
    ),
    "different sizes": (
        parquet([png(COLOUR[0]), png(COLOUR[1, :3])], [0, 1]),
        r"row 1: is 3 x 4 pixels, .*row 0 is 5 x 4; set `size`",
    ),
    "a folder's broken image": (broken_image, r"notes.txt: cannot be decoded as an image"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_probes_are_refused_with_a_remedy(tmp_path: Path, case: str) -> None:
    write, message = MALFORMED[case]
    path = write(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_probes(path)
    assert str(path) in str(caught.value)
    assert ";" in str(caught.value)


def test_a_resize_does_not_hide_pixels_out_of_range(tmp_path: Path) -> None:
    path = write_npz(tmp_path, images=FLOATS * 255, labels=LABELS)
    with pytest.raises(InputError, match="divide by 255"):
        read_probes(path, size=(4, 4))


def test_images_with_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    Image.fromarray(np.full((5, 4), 40_000, dtype=np.uint16)).save(root / "a" / "deep.png")
    with pytest.raises(InputError, match=r"deep.png: has more than 8 bits"):
        read_probes(root)


@pytest.mark.parametrize("limit", [40, 15], ids=["warned of", "refused"])
def test_decompression_bombs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    root = write_folder(tmp_path)
    Image.new("RGB", (6, 10)).save(root / "c" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="exceeds limit"):
            read_probes(root)


def test_an_npz_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_npz(tmp_path, images=COLOUR, labels=LABELS)
    monkeypatch.setattr(probe_arrays, "_MOST_NPZ_BYTES", 300)
    with pytest.raises(InputError, match="unpacks to"):
        read_probes(path)


@pytest.mark.parametrize("write", ["npz", "parquet", "folder"])
def test_more_pixels_than_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    path = {
        "npz": lambda: write_npz(tmp_path, images=COLOUR, labels=LABELS),
        "parquet": lambda: parquet(PNGS, LABELS)(tmp_path),
        "folder": lambda: write_folder(tmp_path),
    }[write]()
    monkeypatch.setattr(probe_arrays, "_MOST_VALUES", 5 * COLOUR[0].size)
    with pytest.raises(InputError, match=r"6 images of .* more than a scan holds"):
        read_probes(path)
