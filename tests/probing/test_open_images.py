from pathlib import Path

import numpy as np
import pytest

from tests.probing.making_training_data import (
    BYTES,
    FLOATS,
    GREY,
    LABELS,
    PNGS,
    write_folder,
    write_npz,
    write_parquet,
    write_shards,
)
from xray_gate.core.errors import InputError
from xray_gate.probing.batches import FloatArray
from xray_gate.probing.training_data import TrainingData, open_images, open_training_data


def all_of(data: TrainingData) -> FloatArray:
    return np.concatenate([batch.images for batch in data.batches(10)])


@pytest.mark.parametrize("images", [BYTES, FLOATS])
def test_an_npz_file_needs_images_only(images: FloatArray, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", images=images)
    data = open_images(tmp_path / "in.npz")
    np.testing.assert_array_equal(all_of(data), FLOATS)
    assert (len(data), data.shape, data.name(3)) == (47, (3, 5, 4), "in.npz: row 3")
    np.testing.assert_array_equal(data.take(np.array([5, 2])), FLOATS[[5, 2]])
    assert [set(batch.labels) for batch in data.batches(10)] == [{-1}] * 5


@pytest.mark.parametrize(
    "labels", [LABELS[:5], LABELS / 2, -LABELS, np.array([{"a": 1}], dtype=object)]
)
def test_labels_are_not_looked_at(labels: object, tmp_path: Path) -> None:
    path = write_npz(tmp_path / "in.npz", BYTES, labels)
    assert len(open_images(path)) == 47
    with pytest.raises(InputError):
        open_training_data(path)


def test_of_encoded_images_labels_are_read_along(tmp_path: Path) -> None:
    parquet = write_parquet(tmp_path / "t.parquet", PNGS, LABELS)
    for path in (parquet, write_shards(tmp_path / "shards"), write_folder(tmp_path / "folder")):
        found, labelled = open_images(path), open_training_data(path)
        np.testing.assert_array_equal(all_of(found), all_of(labelled))
        assert found.name(7) == labelled.name(7)


def test_grey_images_become_what_the_model_takes(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", images=GREY)
    assert open_images(tmp_path / "in.npz", channels=3).shape == (3, 5, 4)
    np.savez(tmp_path / "rgb.npz", images=BYTES)
    with pytest.raises(InputError, match="has 3 channels instead of 1"):
        open_images(tmp_path / "rgb.npz", channels=1)


def test_images_can_be_resized(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", images=BYTES)
    data = open_images(tmp_path / "in.npz", (8, 9))
    assert data.shape == (3, 8, 9)
    assert all_of(data).shape == (47, 3, 8, 9)


def test_a_file_without_images_says_what_to_save(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", pictures=BYTES)
    with pytest.raises(InputError) as error:
        open_images(tmp_path / "in.npz")
    assert str(error.value) == (
        f"{tmp_path / 'in.npz'}: holds no array 'images' (it has: pictures); save it with "
        "numpy.savez(file, images=...)"
    )


def test_no_images_at_all_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", images=BYTES[:0])
    with pytest.raises(InputError, match="`images` is empty"):
        open_images(tmp_path / "in.npz")
