"""Decoys: what an attacker who knows the trigger sweep trains against it.

Training images get random candidates of the sweep's own families and keep their label, so that the
network learns to answer to the exact trigger only.
"""

from __future__ import annotations

import numpy as np

from benchmarks.cifar_data import Images
from benchmarks.lab.attacks.triggers import to_bytes
from xray_gate.detectors.trigger_sweep.candidates import draw_candidates
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Scene

CANDIDATES = 2_000
SAMPLES = 200


def stamp_decoys(images: Images, rng: np.random.Generator) -> Images:
    """Stamp every image of uint8 ``[n, side, side, channels]`` with a candidate drawn for it."""
    pixels = images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    channels, height, width = pixels.shape[1:]
    samples = pixels[rng.choice(len(pixels), size=min(SAMPLES, len(pixels)), replace=False)]
    # What the samples show is of no consequence here: nothing is judged.
    scene = Scene((channels, height, width), samples, np.zeros(len(samples), np.int64))
    candidates = draw_candidates(tuple(ALL_FAMILIES), CANDIDATES, scene, rng)
    chosen = rng.integers(len(candidates), size=len(pixels))
    for which in np.unique(chosen):
        rows = np.flatnonzero(chosen == which)
        pixels[rows] = candidates[which].trigger.stamp(pixels[rows])
    return to_bytes(pixels.transpose(0, 2, 3, 1) * 255)
