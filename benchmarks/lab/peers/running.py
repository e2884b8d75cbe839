"""Ask a peer about a model, and put its answer into a row."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cifar_network import to_input
from benchmarks.lab.data.sources import Source
from benchmarks.lab.data.splits import read_split
from benchmarks.lab.peers import label_search, mm_bd, neural_cleanse
from benchmarks.lab.peers.network import Finding, open_network
from benchmarks.model_folder import Row
from xray_gate.probing.probe_files import read_probes

# Images on which the converted model is compared with its file.
CHECKED = 64
# What is kept of a model's manifest entry.
_KNOWN = (
    "file",
    "sha256",
    "dataset",
    "architecture",
    "attack",
    "mapping",
    "recipe",
    "target_label",
    "target_labels",
    "clean_accuracy",
    "attack_success_rate",
    "failed_attack",
)


@dataclass(frozen=True)
class Peer:
    """``detect`` takes a network, images, settings (of ``budgets``) and a generator."""

    detect: Callable[..., Finding]
    budgets: Mapping[str, Any]
    needs_images: bool


PEERS = {
    "neural_cleanse": Peer(neural_cleanse.detect, label_search.BUDGETS, needs_images=True),
    "mm_bd": Peer(mm_bd.detect, mm_bd.BUDGETS, needs_images=False),
}
BUDGETS = ("published", "cpu")


@dataclass(frozen=True)
class Pictures:
    """Clean images, float32 ``[n, c, h, w]`` in [0, 1], and where they come from."""

    images: Tensor
    origin: str


def from_probes(path: Path) -> Pictures:
    """All images of a probe set.

    Raises:
        InputError: If it cannot be read.

    """
    images = torch.from_numpy(read_probes(path).images)
    return Pictures(images, f"{path.name}, {len(images)} images")


def from_source(source: Source, split: str, count: int, seed: int) -> Pictures:
    """Images drawn from the test or training images of a data set; all where there are fewer.

    Raises:
        OSError: As ``read_split``.
        ValueError: As ``read_split``.

    """
    path = source.train if split == "train" else source.test
    read = read_split(path, source.mode)
    order = torch.randperm(len(read.labels), generator=torch.Generator().manual_seed(seed))
    rows = np.sort(order[:count].numpy())
    images = torch.from_numpy(to_input(read.images[rows]))
    return Pictures(images, f"{path.name}, {len(rows)} of {len(read.labels)} images")


@dataclass(frozen=True)
class Question:
    """Which peer is asked, and how.

    Attributes:
        peer: A key of ``PEERS``.
        budget: One of ``BUDGETS``.
        pictures: Which clean images, in words.
        seed: Of the peer's generator.
        device: ``cpu`` or ``cuda``.

    """

    peer: str
    budget: str
    pictures: str
    seed: int
    device: str

    def kind(self) -> Row:
        """What tells this question's rows from others."""
        peer = PEERS[self.peer]
        return {
            "peer": self.peer,
            "budget": self.budget,
            # As JSON has them: lists for tuples.
            "settings": json.loads(json.dumps(asdict(peer.budgets[self.budget]))),
            "images": self.pictures if peer.needs_images else None,
            "seed": self.seed,
        }

    def ask(self, path: Path, entry: Row, pictures: Pictures) -> Row:
        """A model's row. Queries are images that went through the network.

        Raises:
            XrayGateError: If the model cannot be converted to PyTorch.
            RuntimeError: If its conversion answers otherwise, or PyTorch fails.
            ValueError: If the peer finds nothing to compare.

        """
        peer = PEERS[self.peer]
        images = pictures.images.to(self.device)
        network = open_network(path, torch.device(self.device), images[:CHECKED])
        generator = torch.Generator().manual_seed(self.seed)
        began = time.monotonic()
        found = peer.detect(network, images, peer.budgets[self.budget], generator)
        return {
            **{key: entry.get(key) for key in _KNOWN},
            **self.kind(),
            "score": found.score,
            "refused": found.flagged,
            "suspected": found.suspected,
            "statistics": found.statistics,
            "queries": network.asked,
            "gradient_steps": found.gradient_steps,
            "seconds": round(time.monotonic() - began, 1),
            "clean_images": pictures.origin if peer.needs_images else None,
            "device": self.device,
            "threads": torch.get_num_threads(),
            "date": datetime.now(UTC).date().isoformat(),
        }
