"""What a sweep would have found: synthetic triggers implanted into the model's own answers.

An implant draws a trigger of one of the families, and a label. Where a candidate's change has as
much energy as the trigger's, in the same part of the image and on the same scale, the implanted
model says that label for `CHANCE` of the candidates, else what the real one said. That is how
trained backdoors answered to candidates; they were not matched by their pixels. The sweep is
replayed on what it already knows, without refinement, so that no further question is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.detectors.trigger_sweep.allowances import Allowances, chance
from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.confirmation import TESTED
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.families.interface import Scene, Trigger, TriggerFamily
from xray_gate.detectors.trigger_sweep.responses import Columns, Responses
from xray_gate.probing.batches import FloatArray

TRIALS = 40
SHARE_OF_TRIALS = 0.95
LEVEL = 0.01
# Of the candidates with that energy, how many act. Backdoors trained for the development of this
# detector had 0.21 to 0.68, see benchmarks/README.md; those by a warp had less, so none is implied.
CHANCE = 0.2
_KINDS = ("patch", "pixels", "noise_blend")
_IMAGES = 8
_TESTED_ON = 16
_CELLS = 4

Fires = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Implant:
    """A synthetic backdoor: `trigger` leads to `label`; `willing` candidates, bool, may act."""

    trigger: Trigger
    label: int
    willing: Fires


def _energies(trigger: Trigger, images: FloatArray) -> FloatArray:
    """The energies of what `trigger` does to each image, float32 (n, 48)."""
    return np.stack([energies(change) for change in trigger.stamp(images) - images])


def acting(own: FloatArray, made: FloatArray) -> Fires:
    """Where a change acts as an implant: <made, own> >= <own, own>, bool without the last axis.

    `own` are the energies of the implant's change, `made` those of another change of the same
    images; both (..., images, 48). An implant that leaves an image as it is acts nowhere.
    """
    enough = np.einsum("...j,...j->...", own, own)
    held = np.einsum("...j,...j->...", made, own)
    found: Fires = (held >= enough) & (enough > 0)
    return found


def energies(change: FloatArray) -> FloatArray:
    """Root mean squares of a change, float32 (channels, height, width), by place and scale.

    The image is cut into 4x4 cells; in each, the change is split (orthogonally, as by Haar
    wavelets) into the cell's mean, the means of blocks a quarter of the cell's side, and the rest.
    Returns float32 (48,).
    """
    channels, height, width = change.shape
    (rows, per_row, tall), (columns, per_column, wide) = _cut(height), _cut(width)
    used = change[:, :rows, :columns]
    blocks = used.reshape(channels, _CELLS, per_row, tall, _CELLS, per_column, wide)
    means = blocks.mean(axis=(3, 6), keepdims=True)
    coarse = means.mean(axis=(2, 5), keepdims=True)
    parts = [coarse, means - coarse, blocks - means]
    found = [np.sqrt(np.mean(part**2, axis=(0, 2, 3, 5, 6))).ravel() for part in parts]
    return np.concatenate(found).astype(np.float32)


def _cut(length: int) -> tuple[int, int, int]:
    """Pixels that four equal cells cover, blocks in a cell, pixels in a block."""
    cell = length // _CELLS
    block = max(size for size in range(1, cell + 1) if cell % size == 0 and size * 4 <= cell + 3)
    return cell * _CELLS, cell // block, block


class DetectionLimit:
    """Replays one sweep: `candidates` on the columns `first`, then a test on held-out images."""

    def __init__(
        self,
        swept: Responses,
        first: Columns,
        candidates: Sequence[Candidate],
        allowances: Allowances,
        held_out: Responses,
        scene: Scene,
    ) -> None:
        columns = first[:_IMAGES]
        self._images = swept.images[columns]
        self._before = swept.before[columns]
        self._after = swept.labels[: len(candidates), columns]
        self._classes = swept.classes
        self._candidates = candidates
        self._allowed = allowances.to_one(candidates)
        self._tested_on = held_out.images[:_TESTED_ON]
        self._held_out = held_out.before
        self._scene = scene
        self._energies = np.stack([_energies(c.trigger, self._images) for c in candidates])

    def measure(self, families: Sequence[str], rng: np.random.Generator) -> dict[str, Any]:
        """For each kind of implant the share found at each dose, and the doses that are covered."""
        streams = zip(_KINDS, rng.spawn(len(_KINDS)), strict=True)
        kinds = [self._of_kind(name, stream) for name, stream in streams if name in families]
        return {
            "share_of_trials": SHARE_OF_TRIALS,
            "trials": TRIALS,
            "chance": CHANCE,
            "level": LEVEL,
            "kinds": kinds,
        }

    def _of_kind(self, name: str, rng: np.random.Generator) -> dict[str, Any]:
        family = ALL_FAMILIES[name]
        rates = []
        for rung in family.rungs:
            found = [self._is_found(self._implant(family, rung.dose, rng)) for _ in range(TRIALS)]
            rates.append((rung.dose, float(np.mean(found))))
        covered = _longest_run([dose for dose, rate in rates if rate >= SHARE_OF_TRIALS], rates)
        return {
            "kind": name,
            "text": family.sizes_between(*covered, self._scene) if covered else "",
            "smallest": covered[0] if covered else None,
            "largest": covered[1] if covered else None,
            "rates": [list(pair) for pair in rates],
        }

    def _implant(self, family: TriggerFamily, dose: float, rng: np.random.Generator) -> Implant:
        label = int(rng.integers(self._classes))
        willing = rng.random(len(self._candidates)) < CHANCE
        return Implant(family.draw(dose, self._scene, rng), label, willing)

    def _is_found(self, implant: Implant) -> bool:
        own = _energies(implant.trigger, self._images)
        acted = acting(own, self._energies) & implant.willing[:, None]
        eligible = self._before != implant.label
        if not eligible.any():
            return False
        moved = (acted | (self._after == implant.label))[:, eligible].mean(axis=1)
        allowed = self._allowed[:, implant.label]
        # An allowance of 1 is never exceeded: that rung is not judged.
        excess = np.where(allowed < 1, moved - allowed, -1.0)
        best = int(excess.argmax())
        return bool(excess[best] > 0) and self._is_confirmed(implant, best)

    def _is_confirmed(self, implant: Implant, row: int) -> bool:
        """Whether the share that acts on some held-out images would do for all of them."""
        candidate = self._candidates[row]
        own = _energies(implant.trigger, self._tested_on)
        share = float(acting(own, _energies(candidate.trigger, self._tested_on)).mean())
        asked = int((self._held_out != implant.label).sum())
        allowed = float(self._allowed[row, implant.label])
        return TESTED * chance(int(share * asked), asked, allowed) <= LEVEL


def _longest_run(
    covered: Sequence[float], rates: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """The first and last dose of the longest unbroken run of `covered` doses."""
    best: list[float] = []
    run: list[float] = []
    for dose, _ in rates:
        run = [*run, dose] if dose in covered else []
        best = max(best, run, key=len)
    return (best[0], best[-1]) if best else None
