"""What a scan on a GPU is compared with: the paper's plain loop, and the network by itself."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.speed.plain import BATCH, PlaneGrid
from benchmarks.speed.plan import Floats

# Of the published procedure.
ETA = 5.0


def plain_loop(
    network: nn.Module, triples: Sequence[Floats], size: int, device: torch.device
) -> float:
    """Seconds for the labels of the planes of all triples, unclipped, one after the other."""
    network = deepcopy(network).to(device)
    with torch.inference_mode():
        network(torch.rand(BATCH, *triples[0].shape[1:], device=device)).cpu()
        started = time.perf_counter()
        for samples in triples:
            grid = PlaneGrid(samples, size, ETA, clip=False)
            labels = [
                network(batch.to(device)).argmax(dim=1).cpu().numpy()
                for batch in DataLoader(grid, batch_size=BATCH)
            ]
            np.concatenate(labels)
        return time.perf_counter() - started


def bare_rates(
    network: nn.Module,
    shape: tuple[int, ...],
    device: torch.device,
    batches: Sequence[int],
    images: int,
) -> dict[str, list[float]]:
    """Images a second for each batch size, of about so many images that lie on the device.

    In full and in half precision, and in half with channels last: what a scan may become.
    """
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    plain, last = torch.contiguous_format, torch.channels_last
    ways = {
        "float32": (plain, False),
        f"{half}".removeprefix("torch."): (plain, True),
        f"{half}, channels last".removeprefix("torch."): (last, True),
    }
    found = {}
    for name, (memory, in_half) in ways.items():
        moved = deepcopy(network).to(device).to(memory_format=memory)  # type: ignore[call-overload]
        found[name] = [
            _rate(moved, _noise(batch, shape, device, memory), _calls(images, batch), half, in_half)
            for batch in batches
        ]
    return found


def _noise(
    batch: int, shape: tuple[int, ...], device: torch.device, memory: torch.memory_format
) -> Tensor:
    return torch.rand(batch, *shape, device=device).to(memory_format=memory)


def _calls(images: int, batch: int) -> int:
    return max(2, -(-images // batch))


def _rate(network: nn.Module, images: Tensor, calls: int, half: torch.dtype, use: bool) -> float:
    def precision() -> AbstractContextManager[object]:
        return torch.autocast(images.device.type, half) if use else nullcontext()

    with torch.inference_mode(), precision():
        network(images).cpu()
        started = time.perf_counter()
        for _ in range(calls):
            # Fetched, as labels are.
            network(images).argmax(dim=1).cpu()
        return calls * len(images) / (time.perf_counter() - started)
