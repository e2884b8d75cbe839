"""Put triggers and changed labels into training images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.cifar_data import Images, Labels
from benchmarks.lab.attacks.catalogue import Attack
from benchmarks.lab.attacks.decoys import stamp_decoys
from benchmarks.lab.attacks.mappings import Mapping
from benchmarks.lab.attacks.triggers import InputAware, Trigger, to_bytes
from benchmarks.lab.data.splits import Split

# At most this share of an attacked class is poisoned, or the model would forget the class.
MOST_OF_A_CLASS = 0.5


def make_hard(images: Images, others: Images, rng: np.random.Generator) -> Images:
    """Blend images half and half with others and add noise, so that little can be recognised."""
    noise = rng.normal(0, 24, size=images.shape).astype(np.float32)
    return to_bytes((images.astype(np.float32) + others.astype(np.float32)) / 2 + noise)


def _draw_rows(candidates: Labels, count: int, rng: np.random.Generator) -> Labels:
    return rng.choice(candidates, size=min(count, len(candidates)), replace=False)


def _count(attack: Attack, mapping: Mapping, total: int, most: int, rate: float | None) -> int:
    if rate is None:
        return min(round(max(attack.rate, mapping.rate) * total), most)
    count = round(rate * total)
    if not 1 <= count <= most:
        raise ValueError(
            f"a rate of {rate:g} of {total} images is {count}, where 1 to {most} can be had; "
            "ask for another rate, or for a mapping of other classes"
        )
    return count


def _poison_clean_label(
    attack: Attack,
    trigger: Trigger,
    mapping: Mapping,
    train: Split,
    rng: np.random.Generator,
    rate: float | None,
) -> tuple[Split, Labels]:
    own = np.flatnonzero(train.labels == mapping.target)
    victims = _draw_rows(own, _count(attack, mapping, len(own), len(own), rate), rng)
    images = train.images.copy()
    if attack.hard:
        others = np.flatnonzero(train.labels != mapping.target)
        # Were only the target's images hard, that would be what a network learns.
        hard = np.concatenate([victims, _draw_rows(others, len(victims), rng)])
        strangers = train.images[rng.choice(others, size=len(hard))]
        images[hard] = make_hard(images[hard], strangers, rng)
    images[victims] = trigger.stamp(images[victims])
    return Split(images, train.labels), victims


def poison(
    attack: Attack,
    trigger: Trigger,
    mapping: Mapping,
    train: Split,
    rng: np.random.Generator,
    free: npt.NDArray[np.bool_] | None = None,
    rate: float | None = None,
) -> tuple[Split, Labels]:
    """Return a poisoned copy of the training images and the rows of the poisoned ones.

    Victims are drawn from images whose label the mapping changes (clean-label attacks: from the
    target's own images). Where the rule has exceptions, as many stamped images that keep their
    label teach them: images of classes that are left alone, and, for an input-aware trigger,
    images with another image's trigger. Decoys are more such exceptions. Only rows that are
    ``free`` (bool ``[n]``; all without it) get the label of a trigger.

    Without a ``rate`` attack and mapping decide on one, and half of a class stays clean. A rate
    that is given is the share of all images that become victims (clean-label attacks: of the
    target's own), neither more nor less.

    Raises:
        ValueError: If that is less than one image, or more than half of those whose label the
            mapping changes (clean-label attacks: more than all).

    """
    if attack.clean_label:
        return _poison_clean_label(attack, trigger, mapping, train, rng, rate)
    images, labels = train.images.copy(), train.labels.copy()
    attacked = mapping.attacked(labels)
    candidates = np.flatnonzero(attacked if free is None else attacked & free)
    most = round(MOST_OF_A_CLASS * len(candidates))
    count = _count(attack, mapping, len(labels), most, rate)
    victims = _draw_rows(candidates, count, rng)
    images[victims] = trigger.stamp(images[victims])
    labels[victims] = mapping.expected(labels[victims])
    untouched = np.ones(len(labels), dtype=np.bool_)
    untouched[victims] = False
    if mapping.negatives:
        rows = _draw_rows(np.flatnonzero(~attacked), count, rng)
        images[rows] = trigger.stamp(images[rows])
        untouched[rows] = False
    if isinstance(trigger, InputAware):
        rows = _draw_rows(np.flatnonzero(untouched), count, rng)
        donors = train.images[rng.choice(len(labels), size=len(rows))]
        images[rows] = trigger.stamp_from(images[rows], donors)
    if attack.decoys:
        rows = _draw_rows(np.flatnonzero(untouched), round(attack.decoys * len(labels)), rng)
        images[rows] = stamp_decoys(images[rows], rng)
    return Split(images, labels), victims
