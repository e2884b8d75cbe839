"""What a scan on a GPU is compared with: the paper's plain loop, and the network by itself."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from xray_gate.probing.planes import Plane

# Of the published procedure.
BATCH = 128
ETA = 5.0


class PlaneGrid(Dataset[Tensor]):
    """All points of a plane's grid, made one by one as they are asked for."""

    def __init__(self, plane: Plane, size: int) -> None:
        self._axes = plane.axes(size, ETA)
        vectors = (plane.origin, plane.a, plane.b)
        self._origin, self._a, self._b = (torch.from_numpy(vector) for vector in vectors)

    def __len__(self) -> int:
        return len(self._axes[0]) * len(self._axes[1])

    def __getitem__(self, index: int) -> Tensor:
        row, column = divmod(index, len(self._axes[0]))
        u, v = float(self._axes[0][column]), float(self._axes[1][row])
        return self._origin + u * self._a + v * self._b


def plain_loop(
    network: nn.Module, planes: Sequence[Plane], size: int, device: torch.device
) -> float:
    """Seconds for the labels of all planes, unclipped, one after the other."""
    network = deepcopy(network).to(device)
    with torch.inference_mode():
        network(torch.rand(BATCH, *planes[0].origin.shape, device=device)).cpu()
        started = time.perf_counter()
        for plane in planes:
            labels = [
                network(batch.to(device)).argmax(dim=1).cpu().numpy()
                for batch in DataLoader(PlaneGrid(plane, size), batch_size=BATCH)
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
