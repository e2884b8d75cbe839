"""Draw probe images, the same number of each class, from CIFAR-10's test images.

python -m benchmarks.make_probes --test test.parquet --out probes.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.cifar_data import CLASSES, Images, Labels
from benchmarks.lab.data.splits import read_split
from benchmarks.whole_files import write_npz


def draw_probes(
    images: Images, labels: Labels, per_class: int, rng: np.random.Generator
) -> tuple[Images, Labels]:
    """Draw ``per_class`` images of each class without replacement.

    Args:
        images: uint8 ``[n, 32, 32, 3]`` in 0..255.
        labels: int64 ``[n]`` in 0..9.
        per_class: Images to draw of each class, at least 1.
        rng: Decides the draw and the order.

    Returns:
        Images uint8 ``[10 * per_class, 32, 32, 3]`` and labels int64 ``[10 * per_class]``, in
        shuffled order, so that any first part of them holds a mixture of classes.

    Raises:
        ValueError: If a class has fewer than ``per_class`` images.

    """
    rows: list[int] = []
    for label in range(CLASSES):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            raise ValueError(f"class {label} has {len(members)} images, {per_class} are wanted")
        rows.extend(rng.choice(members, size=per_class, replace=False).tolist())
    order = rng.permutation(np.array(rows))
    return images[order], labels[order]


def main(argv: list[str] | None = None) -> int:
    """Write ``images`` (uint8, NHWC) and ``labels`` (int64) to a compressed .npz file."""
    parser = argparse.ArgumentParser(description="Draw probe images from CIFAR-10's test images.")
    parser.add_argument("--test", type=Path, required=True, help="test images (parquet)")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.per_class < 1:
        parser.error("--per-class must be at least 1")

    test, rng = read_split(args.test, "RGB"), np.random.default_rng(args.seed)
    images, labels = draw_probes(test.images, test.labels, args.per_class, rng)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_npz(args.out, images=images, labels=labels)
    print(f"{args.out}: {len(labels)} images")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
