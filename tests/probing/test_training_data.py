import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.probing.making_training_data import (
    BYTES,
    FLOATS,
    GREY,
    LABELS,
    PNGS,
    npz_with,
    png,
    write_folder,
    write_npz,
    write_parquet,
    write_shards,
)
from xray_gate.core.errors import InputError
from xray_gate.core.file_digest import file_digest, folder_digest
from xray_gate.probing.training_data import TrainingData, open_training_data

reproducible = settings(derandomize=True, max_examples=40, deadline=None)


@dataclass(frozen=True)
class Case:
    data: TrainingData
    path: Path
    order: npt.NDArray[np.int64]
    first_and_last: tuple[str, str]


@pytest.fixture(
    scope="module", params=["bytes", "packed", "floats", "parquet", "flat", "shards", "folder"]
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("training")
    order, names = np.arange(47), ("t.npz: row 0", "t.npz: row 46")
    match request.param:
        case "bytes":
            path = write_npz(root / "t.npz", BYTES, LABELS.astype(np.uint8))
        case "packed":
            path = root / "t.npz"
            np.savez_compressed(path, images=BYTES, labels=LABELS)
        case "floats":
            path = write_npz(root / "t.npz", FLOATS.astype(">f8"), LABELS)
        case "parquet" | "flat" as kind:
            path = write_parquet(root / "t.parquet", PNGS, LABELS, flat=kind == "flat")
            names = ("t.parquet: row 0", "t.parquet: row 46")
        case "shards":
            path = write_shards(root / "t")
            names = ("train-0.parquet: row 0", "train-3.parquet: row 25")
        case _:
            path = write_folder(root / "t")
            order, names = np.argsort(LABELS, kind="stable"), ("a/deeper/00.png", "d/deeper/46.png")
    return Case(open_training_data(path), path, order, names)


def test_the_digest_is_over_the_stored_bytes(case: Case) -> None:
    if case.path.is_file():
        assert case.data.sha256 == file_digest(case.path)
        return
    shown = [f for f in sorted(case.path.rglob("*")) if f.suffix in (".png", ".parquet")]
    named = [(file.relative_to(case.path).as_posix(), file) for file in shown]
    assert case.data.sha256 == folder_digest(named)


@pytest.mark.parametrize("write", [write_shards, write_folder])
def test_another_name_or_byte_makes_another_digest(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "t")
    digests = {open_training_data(path).sha256, open_training_data(write(tmp_path / "u")).sha256}
    assert len(digests) == 1
    *_, other, last = sorted(f for f in path.rglob("*") if f.suffix in (".png", ".parquet"))
    renamed = last.rename(last.with_name(f"x-{last.name}"))
    digests.add(open_training_data(path).sha256)
    assert len(digests) == 2
    renamed.write_bytes(other.read_bytes())
    digests.add(open_training_data(path).sha256)
    assert len(digests) == 3


def test_a_digest_is_made_once(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "t.npz", BYTES, LABELS)
    asked, too_late = open_training_data(path), open_training_data(path)
    before = asked.sha256
    path.unlink()
    assert asked.sha256 == before
    with pytest.raises(InputError, match=r"t\.npz: cannot be read \(No such file.*; check its"):
        str(too_late.sha256)


def test_what_is_known_before_the_first_pass(case: Case) -> None:
    assert len(case.data) == 47
    assert case.data.shape == (3, 5, 4)
    assert case.data.source == str(case.path)
    assert (case.data.name(0), case.data.name(46)) == case.first_and_last
    assert len({case.data.name(row) for row in range(47)}) == 47


@reproducible
@given(size=st.integers(1, 60))
def test_a_pass_gives_all_samples_once_in_stored_order(case: Case, size: int) -> None:
    batches = list(case.data.batches(size))
    assert [len(batch.rows) for batch in batches] == [
        min(size, 47 - start) for start in range(0, 47, size)
    ]
    assert np.concatenate([batch.rows for batch in batches]).tolist() == list(range(47))
    images = np.concatenate([batch.images for batch in batches])
    np.testing.assert_array_equal(images, FLOATS[case.order])
    labels = np.concatenate([batch.labels for batch in batches])
    np.testing.assert_array_equal(labels, LABELS[case.order])
    for batch in batches:
        assert batch.rows.dtype == batch.labels.dtype == np.int64
        assert batch.images.dtype == np.float32
        assert batch.images.flags.c_contiguous
        assert batch.images.flags.writeable


@reproducible
@given(rows=st.lists(st.integers(0, 46), max_size=150))
def test_rows_are_taken_in_the_order_asked(case: Case, rows: list[int]) -> None:
    taken = case.data.take(np.array(rows, dtype=np.int64))
    assert taken.shape == (len(rows), 3, 5, 4)
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, FLOATS[case.order][rows])


def test_passes_do_not_disturb_each_other(case: Case) -> None:
    slow, quick = case.data.batches(10), case.data.batches(10)
    next(slow)
    everything = [batch.rows[0] for batch in quick]
    np.testing.assert_array_equal(case.data.take(np.array([46])), FLOATS[case.order[[46]]])
    assert everything == [0, 10, 20, 30, 40]
    np.testing.assert_array_equal(next(slow).images, FLOATS[case.order[10:20]])


@pytest.mark.parametrize("row", [-1, 47, 2**40])
def test_rows_out_of_range_are_refused(case: Case, row: int) -> None:
    with pytest.raises(ValueError, match=f"no row {row} among 47"):
        case.data.take(np.array([3, row, 5]))
    with pytest.raises(ValueError, match=f"no row {row} among 47"):
        case.data.name(row)


@pytest.mark.parametrize("size", [0, -3])
def test_batches_of_nothing_are_refused_at_once(case: Case, size: int) -> None:
    with pytest.raises(ValueError, match=f"batches of {size}"):
        case.data.batches(size)


def test_a_size_applies_to_every_kind(case: Case) -> None:
    data = open_training_data(case.path, size=(10, 6))
    first = Image.fromarray(BYTES[case.order[0]]).resize((6, 10), Image.Resampling.BILINEAR)
    expected = np.asarray(first).transpose(2, 0, 1) / 255.0
    assert data.shape == (3, 10, 6)
    (batch,) = data.batches(100)
    assert batch.images.shape == (47, 3, 10, 6)
    np.testing.assert_allclose(batch.images[0], expected, atol=1.01 / 255)
    np.testing.assert_array_equal(data.take(np.array([5, 0])), batch.images[[5, 0]])


def test_rgb_images_are_not_made_grey_for_a_grey_model(case: Case) -> None:
    with pytest.raises(InputError, match=r"3 channels instead of 1, which the model takes; conv"):
        open_training_data(case.path, channels=1)


def test_a_size_brings_images_of_different_sizes_together(tmp_path: Path) -> None:
    images = [PNGS[0], png(BYTES[1, :3]), png(BYTES[2, :, :2])]
    path = write_parquet(tmp_path / "t.parquet", images, [0, 1, 2])
    (batch,) = open_training_data(path, size=(4, 4)).batches(3)
    assert batch.images.shape == (3, 3, 4, 4)


@pytest.mark.parametrize("kind", ["npz", "floats", "parquet"])
def test_grey_images_stay_grey_unless_the_model_takes_rgb(tmp_path: Path, kind: str) -> None:
    path = {
        "npz": lambda: write_npz(tmp_path / "t.npz", GREY, LABELS),
        "floats": lambda: write_npz(tmp_path / "t.npz", FLOATS[:, :1], LABELS),
        "parquet": lambda: write_parquet(tmp_path / "t.parquet", [png(i) for i in GREY], LABELS),
    }[kind]()
    (grey,) = open_training_data(path).batches(50)
    np.testing.assert_array_equal(grey.images, FLOATS[:, :1])
    data = open_training_data(path, channels=3)
    (coloured,) = data.batches(50)
    assert data.shape == (3, 5, 4)
    np.testing.assert_array_equal(coloured.images, np.repeat(FLOATS[:, :1], 3, axis=1))
    assert coloured.images.flags.c_contiguous
    np.testing.assert_array_equal(data.take(np.array([9])), coloured.images[[9]])


@pytest.mark.parametrize(("grey", "channels"), [(1, None), (0, 3)], ids=["later", "first"])
def test_grey_images_among_rgb_ones_become_rgb(
    tmp_path: Path, grey: int, channels: int | None
) -> None:
    images = PNGS[:3]
    images[grey] = png(GREY[grey])
    path = write_parquet(tmp_path / "t.parquet", images, [0, 1, 2])
    (batch,) = open_training_data(path, channels=channels).batches(3)
    np.testing.assert_array_equal(batch.images[grey], np.repeat(FLOATS[grey, :1], 3, axis=0))
    np.testing.assert_array_equal(batch.images[2], FLOATS[2])


def test_folders_named_by_numbers_are_the_labels(tmp_path: Path) -> None:
    for name, image in zip(("10", "2", "007"), PNGS, strict=False):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(image)
        (tmp_path / name / ".DS_Store").write_bytes(b"no image")
    data = open_training_data(tmp_path)
    (batch,) = data.batches(9)
    assert batch.labels.tolist() == [7, 10, 2]
    assert [data.name(row) for row in range(3)] == ["007/x.png", "10/x.png", "2/x.png"]
    np.testing.assert_array_equal(batch.images, FLOATS[[2, 0, 1]])


def test_arrays_of_the_second_format_are_read(tmp_path: Path) -> None:
    path = npz_with(tmp_path, lambda file: np.lib.format.write_array(file, BYTES, (2, 0)))
    (batch,) = open_training_data(path).batches(47)
    np.testing.assert_array_equal(batch.images, FLOATS)


@pytest.mark.parametrize("kind", ["bytes", "packed", "floats", "parquet"])
def test_memory_is_bounded_by_the_batch(tmp_path: Path, kind: str) -> None:
    path, stored = write_large(tmp_path, kind)
    assert stored > 15 * 2**20
    # At most: stored and unpacked once each, twice as float32, and 5 MiB of pages and labels.
    most = 64 * 32 * 32 * 3 * (2 * (4 if kind == "floats" else 1) + 2 * 4) + 5 * 2**20
    assert peak_bytes(lambda: open_training_data(path).batches(64)) < most
    assert peak_bytes(lambda: [open_training_data(path).take(np.arange(0, 5000, 100))]) < most


def write_large(tmp_path: Path, kind: str) -> tuple[Path, int]:
    """A file many times larger than a batch of 64, and how many bytes its images take."""
    images = np.random.default_rng(2).integers(0, 256, (5500, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(5500) % 10
    path = tmp_path / ("t.parquet" if kind == "parquet" else "t.npz")
    if kind == "parquet":
        column = pa.StructArray.from_arrays([pa.array([png(i) for i in images])], ["bytes"])
        table = pa.table({"image": column, "label": labels})
        # One row group, and pages of about 1 MiB: what a reader has to hold at least.
        pq.write_table(table, path, row_group_size=5500, write_batch_size=64)
    elif kind == "floats":
        pixels = (images.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
        write_npz(path, pixels, labels)
        return path, pixels.nbytes
    else:
        save = np.savez_compressed if kind == "packed" else np.savez
        save(path, images=images, labels=labels)
    return path, images.nbytes


def peak_bytes(work: Callable[[], Iterable[object]]) -> int:
    """The most memory that Python and numpy had, and pyarrow between two steps of the work."""
    before, peak = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    try:
        for _ in work():
            peak = max(peak, pa.total_allocated_bytes() - before)
        return tracemalloc.get_traced_memory()[1] + peak
    finally:
        tracemalloc.stop()
