"""Real files for the command line: tiny ONNX models of one architecture, probes and policies."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.backends.tiny_onnx import backdoored_channel, brightest_channel, linear
from tests.policy.builders import document, write

ALWAYS_PASSES = -1.0
ALWAYS_FAILS = 50.0
SIDE = 16


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def clean_model(path: Path, number: int = 0) -> Path:
    """The label is the brightest channel; each number gives other weights of the same shape."""
    return linear(path, np.eye(3) * (2 + number) - 1)


def wrong_labels(path: Path) -> Path:
    return linear(path, np.roll(np.eye(3), 1, axis=1))


def leaning_model(path: Path, number: int = 0) -> Path:
    """Right on the probes; between them, and beyond, mostly label 2."""
    return linear(path, (1 + number) * np.array([[1, 0, 0.6], [0, 1, 0.6], [0, 0, 1]]))


def sized_model(path: Path) -> Path:
    """The label is the brightest channel, of images large enough for a sweep to say something."""
    return brightest_channel(path, shape=("batch", 3, SIDE, SIDE))


def backdoored_model(path: Path) -> Path:
    """As `sized_model`, but label 2 wherever it sees a white patch."""
    return backdoored_channel(path, side=SIDE)


def write_probes(path: Path, side: int = 4, count: int = 30) -> Path:
    """Noise with one bright channel, which is the label."""
    rng = np.random.default_rng(5)
    labels = np.arange(count) % 3
    images = rng.integers(0, 60, (count, side, side, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 180
    np.savez(path, images=images, labels=labels)
    return path


def write_policy(path: Path, thresholds: Any = None, **changes: Any) -> Path:
    """A policy of two planes of 10 x 10 points; a number is a bound for the entropy."""
    if isinstance(thresholds, float):
        thresholds = [{"statistic": "renyi_entropy.valid", "bound": thresholds, "source": "a test"}]
    xray = {"size": 10, "planes": 2, **changes.pop("model_xray", {})}
    return write(path, document(thresholds, model_xray=xray, **changes))


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        **(changes or {}),
    }


def xray_gate(*arguments: object, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, in `folder`; `changes` go into its environment."""
    return subprocess.run(
        [sys.executable, "-m", "xray_gate", *map(str, arguments)],
        cwd=folder,
        env=environment(changes),
        capture_output=True,
        text=True,
        timeout=120,
    )
