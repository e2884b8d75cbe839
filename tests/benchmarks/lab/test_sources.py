import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.cifar_data import Images, Labels
from benchmarks.lab.data.sources import Source, add_data_options, known_sources, load, sources_of
from benchmarks.lab.data.splits import read_split
from tests.benchmarks.lab.pictures import png

GREYS = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((6, 8, 8, 1), np.uint8) * 40
LABELS = np.arange(6) % 3


def write_parquet(path: Path, images: Images = GREYS, labels: Labels = LABELS) -> None:
    cells = [{"bytes": png(image)} for image in images]
    pq.write_table(pa.table({"image": cells, "label": labels}), path)


def write_folder(path: Path, names: list[str], images: Images = GREYS) -> None:
    for row, (image, label) in enumerate(zip(images, LABELS, strict=True)):
        (path / names[label]).mkdir(parents=True, exist_ok=True)
        (path / names[label] / f"{row}.png").write_bytes(png(image))


def parsed(*words: str) -> dict[str, Source]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_data_options(parser)
    return sources_of(parser.parse_args(words))


def test_a_known_data_set_is_read_in_colour_or_grey(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_parquet(tmp_path / f"cifar10-{part}.parquet")
    sources = known_sources(tmp_path)

    colour, grey = (load(name, sources[name]) for name in ("cifar10", "cifar10-grey"))

    assert colour.train.images.shape == (6, 8, 8, 3)
    assert (grey.train.images == GREYS).all()
    assert (colour.train.images == GREYS).all()
    assert (grey.classes, grey.epochs, grey.flips) == (3, 4.0, True)


def test_a_folder_for_each_class_gives_what_a_parquet_file_gives(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet")
    write_folder(tmp_path / "test", ["boat", "car", "plane"])

    data = load("some", parsed("--data", f"some={tmp_path}")["some"])

    order = np.argsort(LABELS, kind="stable")
    assert (data.train.images == GREYS).all()
    assert (data.test.images == GREYS[order]).all()
    assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_class_folders_that_are_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    write_folder(tmp_path, ["10", "9", "11"])

    assert (read_split(tmp_path).images == GREYS[[1, 4, 0, 3, 2, 5]]).all()


def test_two_paths_may_be_named_and_images_keep_their_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    write_parquet(tmp_path / "a", images)
    write_parquet(tmp_path / "b", images)

    source = parsed("--data", f"some={tmp_path / 'a'},{tmp_path / 'b'}", "--mirrored", "some")

    data = load("some", source["some"])
    assert (data.train.images == images).all()
    assert data.flips
    assert data.epochs == 16.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no data set is named"),
        (["--data", "some"], "write NAME=FOLDER"),
        (["--data", "../some={}"], "write NAME=FOLDER"),
        (["--data", "some={}"], "no .*train; name a parquet file or a folder"),
        (["--data", "some={}/a,{}/a", "--data", "some={}/a,{}/a"], "named twice"),
        (["--data-folder", "{}", "--data", "mnist={}/a,{}/a"], "named twice"),
        (["--data-folder", "{}", "--mirrored", "mnist"], "--data names no such"),
    ],
)
def test_a_command_line_that_names_data_wrongly_is_refused(
    words: list[str], message: str, tmp_path: Path
) -> None:
    write_parquet(tmp_path / "a")

    with pytest.raises((ValueError, argparse.ArgumentError), match=message):
        parsed(*(word.replace("{}", str(tmp_path)) for word in words))


def test_data_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path) -> None:
    good, other = tmp_path / "good", tmp_path / "other"
    write_parquet(good)

    def refused(train: Path, test: Path, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            load("some", Source(train, test))

    write_parquet(other, GREYS[:, :4])
    refused(other, good, "other: images of sizes .*one square size")
    write_parquet(other, GREYS[:, :4, :4])
    refused(good, other, r"shapes \(\(8, 8, 1\), \(4, 4, 1\)\)")
    write_parquet(other, labels=LABELS + 1)
    refused(good, other, r"labels outside 0..2; number the classes from 0")
    write_parquet(other, GREYS[:0], LABELS[:0])
    refused(other, good, "other holds no images")
    pq.write_table(pa.table({"image": [{"bytes": b"no"}], "label": [0]}), other)
    refused(good, other, "other, row 0 is no image")
    pq.write_table(pa.table({"picture": [1], "label": [0]}), other)
    refused(good, other, r"no column \['image'\]")
    write_folder(tmp_path / "three", ["a", "b", "c"])
    write_folder(tmp_path / "others", ["a", "b", "d"])
    refused(tmp_path / "three", tmp_path / "others", r"only one of .* has \['c', 'd'\]")
