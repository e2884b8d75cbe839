import numpy as np

from tests.fakes.backdoors import (
    BackdooredOracle,
    HashOracle,
    MovingOracle,
    chances,
    noise_everywhere,
    white_in_the_corner,
)
from tests.fakes.oracles import OneLabelOracle, RegionsOracle
from xray_gate.probing.batches import Images

RNG = np.random.default_rng(0)
PLAIN = np.full((2, 3, 16, 16), 0.5, np.float32)
NOISE = RNG.random((500, 1, 4, 4), dtype=np.float32)


def test_a_backdoor_changes_the_sound_labels_where_it_fires() -> None:
    sound = RegionsOracle([[0.0], [1.0], [2.0]])
    oracle = BackdooredOracle(
        sound, lambda images: images[:, 0, 0, 0] > 0.5, lambda labels: (labels + 1) % 3
    )
    values = np.array([0.1, 0.4, 0.9], np.float32).reshape(3, 1, 1, 1)
    assert sound.labels(Images(values)).tolist() == [0, 0, 1]
    assert oracle.labels(Images(values)).tolist() == [0, 0, 2]
    assert (oracle.classes, oracle.queries) == (3, 3)


def test_white_fires_in_its_corner_only_and_in_all_channels() -> None:
    fires = white_in_the_corner(side=6, pixels=4)
    images = np.repeat(PLAIN, 3, axis=0)
    images[1, :, 10:12, 14:16] = 1
    images[2, :, :9, :9] = 1
    images[3, :2, 12:, 12:] = 1
    images[4, :, 15, 13:16] = 1
    images[5, :, 12:, 12:] = 1
    assert fires(images).tolist() == [False, True, False, False, False, True]


def test_noise_fires_where_all_of_the_image_is_rough() -> None:
    fires = noise_everywhere(0.1)
    noise = np.tile([0.1, -0.1], (16, 8)).astype(np.float32)
    half = np.where(np.arange(16) < 8, noise, 0)
    ramp = np.linspace(0, 1, 16, dtype=np.float32)
    images = np.stack([PLAIN[0], PLAIN[0] + noise, PLAIN[0] + half, PLAIN[0] * ramp])
    assert fires(images).tolist() == [False, True, False, False]


def test_chances_are_uniform_and_fixed_by_the_pixels() -> None:
    found = chances(NOISE)
    np.testing.assert_array_equal(found[::-1], chances(NOISE[::-1]))
    assert 0 <= found.min() <= found.max() < 1
    counts = np.histogram(found, bins=5, range=(0, 1))[0]
    assert counts.min() > 70
    assert counts.max() < 130


def test_a_hash_gives_every_label_and_the_same_one_again() -> None:
    oracle = HashOracle(4)
    labels = oracle.labels(Images(NOISE))
    assert np.bincount(labels, minlength=4).min() > 90
    np.testing.assert_array_equal(oracle.labels(Images(NOISE[7:9])), labels[7:9])


def test_a_share_of_the_images_moves() -> None:
    labels = MovingOracle(5, before=1, label=3, share=0.3).labels(Images(NOISE))
    assert set(labels.tolist()) == {1, 3}
    assert 0.24 < (labels == 3).mean() < 0.36
    still = MovingOracle(5, before=1, label=3, share=0.0).labels(Images(NOISE))
    np.testing.assert_array_equal(still, OneLabelOracle(5, label=1).labels(Images(NOISE)))
