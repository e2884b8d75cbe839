"""Where data sets lie: three known ones in a folder of parquet files, and any others by name."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lab.data.splits import DataSet, class_names, read_split

# Images that a small network passes where nobody has chosen its epochs, and the most epochs.
PASSED = 200_000
MOST_EPOCHS = 16.0


@dataclass(frozen=True)
class Source:
    """Where the images of a data set lie, and how they are learned.

    Attributes:
        train: Training images, as ``read_split`` takes them.
        test: Test images, the same.
        mode: As ``read_split`` takes it.
        epochs: How often small networks pass the training images; None follows from their number.
        flips: Whether a mirrored image still belongs to its class.

    """

    train: Path
    test: Path
    mode: str | None = None
    epochs: float | None = None
    flips: bool = False


# Name of a data set: name of its files, mode, epochs, flips. Mirrored digits and traffic signs are
# other digits and signs, or none.
KNOWN = {
    "cifar10": ("cifar10", "RGB", 4.0, True),
    "cifar10-grey": ("cifar10", "L", 4.0, True),
    "gtsrb": ("gtsrb", "RGB", 16.0, False),
    "mnist": ("mnist", "L", 4.0, False),
}


def known_sources(folder: Path) -> dict[str, Source]:
    """CIFAR-10 in colour and grey, GTSRB and MNIST, as ``<files>-train.parquet`` and ``-test``."""
    return {
        name: Source(
            folder / f"{files}-train.parquet", folder / f"{files}-test.parquet", mode, epochs, flips
        )
        for name, (files, mode, epochs, flips) in KNOWN.items()
    }


def _part(folder: Path, name: str) -> Path:
    file = folder / f"{name}.parquet"
    return file if file.is_file() else folder / name


def parse_source(text: str) -> tuple[str, Source]:
    """Parse ``NAME=FOLDER`` or ``NAME=TRAIN,TEST``.

    FOLDER holds ``train`` and ``test``, each as a folder or with ``.parquet`` at the end. NAME
    becomes a part of files' names, so it has letters, digits, ``.``, ``-`` and ``_`` only.

    Raises:
        argparse.ArgumentTypeError: If the text has another form, or something is not there.

    """
    name, _, paths = text.partition("=")
    train, _, test = paths.partition(",")
    if not re.fullmatch(r"\w[\w.-]*", name) or not train:
        raise argparse.ArgumentTypeError(f"{text!r}; write NAME=FOLDER or NAME=TRAIN,TEST")
    if test:
        source = Source(Path(train), Path(test))
    else:
        source = Source(_part(Path(train), "train"), _part(Path(train), "test"))
    for path in (source.train, source.test):
        if not path.exists():
            raise argparse.ArgumentTypeError(f"{name}: no {path}; name a parquet file or a folder")
    return name, source


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``sources_of`` reads."""
    parser.add_argument(
        "--data-folder", type=Path, help="parquet files of the known data sets, such as mnist-train"
    )
    parser.add_argument(
        "--data",
        type=parse_source,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="another data set: a folder with train and test, each a folder with one folder of "
        "images for each class or a parquet file; or two such paths, as NAME=TRAIN,TEST",
    )
    parser.add_argument(
        "--mirrored",
        action="append",
        default=[],
        metavar="NAME",
        help="data set of --data whose images keep their class when they are mirrored",
    )


def sources_of(options: argparse.Namespace) -> dict[str, Source]:
    """The data sets that the command line names.

    Raises:
        ValueError: If a name is given twice, or ``--mirrored`` names none of ``--data``.

    """
    given: Sequence[tuple[str, Source]] = options.data
    sources = known_sources(options.data_folder) if options.data_folder else {}
    for name, source in given:
        if name in sources:
            raise ValueError(f"the data set {name} is named twice; give one of them another name")
        sources[name] = source
    for name in options.mirrored:
        if name not in dict(given):
            raise ValueError(f"--mirrored {name}: --data names no such data set; name one of it")
        sources[name] = replace(sources[name], flips=True)
    if not sources:
        raise ValueError("no data set is named; give --data-folder or --data")
    return sources


def load(name: str, source: Source) -> DataSet:
    """Load training and test images of a data set.

    Raises:
        OSError: As ``read_split``.
        ValueError: As ``read_split``, or if training and test images differ in size, depth or
            classes, or the labels are not 0..classes-1.

    """
    if source.train.is_dir() and source.test.is_dir():
        names = [class_names(folder) for folder in (source.train, source.test)]
        if names[0] != names[1]:
            odd = sorted(set(names[0]) ^ set(names[1]))
            raise ValueError(f"{name}: only one of training and test images has {odd}; add it")
    train = read_split(source.train, source.mode)
    test = read_split(source.test, source.mode)
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = train.images.shape[1:], test.images.shape[1:]
        raise ValueError(
            f"{name}: training and test images have shapes {shapes}; bring them to one"
        )
    classes = int(train.labels.max()) + 1
    for split in (train, test):
        if split.labels.min() < 0 or split.labels.max() >= classes:
            raise ValueError(f"{name}: labels outside 0..{classes - 1}; number the classes from 0")
    epochs = source.epochs or min(MOST_EPOCHS, PASSED / len(train.labels))
    return DataSet(name, classes, train, test, epochs, source.flips)
