"""Points of planes made by PyTorch where the model computes, so that no pixels cross the bus."""

from typing import Any

import torch

from xray_gate.probing.batches import JoinedPlanes, PlanePoints
from xray_gate.probing.preprocessing import Preprocessing

_FLOATS = {
    "auto": torch.float32,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
}


class DevicePoints:
    """A description of points as a model's inputs, made on `device` a batch at a time.

    They are what `Preprocessing.apply` makes of the description's own images, but for rounding.
    `dtype` is the type that the model declares, if it does: floats are widened to it.
    """

    def __init__(
        self,
        batch: PlanePoints | JoinedPlanes,
        preprocessing: Preprocessing,
        dtype: str | None,
        device: torch.device,
    ) -> None:
        described = JoinedPlanes.join([batch]) if isinstance(batch, PlanePoints) else batch
        self._device = device
        self._last = len(described) - 1
        self._origins, self._a, self._b = (
            self._here(vectors) for vectors in (described.origins, described.a, described.b)
        )
        clips = self._here(described.clips).reshape(-1, 1, 1, 1)
        infinity = torch.full(clips.shape, torch.inf, device=device)
        self._least = torch.where(clips, 0.0, -infinity)
        self._most = torch.where(clips, 1.0, infinity)
        self._planes = self._here(described.planes)
        self._coordinates = self._here(described.coordinates).reshape(-1, 2, 1, 1, 1)
        self._preprocessing = preprocessing
        self._mean = self._per_channel(preprocessing.mean)
        self._std = self._per_channel(preprocessing.std)
        self._dtype = _input_type(preprocessing.dtype, dtype)

    def inputs(self, start: int, stop: int) -> torch.Tensor:
        """The points `start` up to `stop` after preprocessing, in the model's layout and type.

        Where `stop` lies beyond the last point, that one is repeated.
        """
        # What the calling thread is set to is not what a thread of its own would be.
        with torch.inference_mode():
            rows = torch.arange(start, stop, device=self._device).clamp(max=self._last)
            return self._prepared(self._points(rows))

    def _points(self, rows: torch.Tensor) -> torch.Tensor:
        planes = self._planes[rows]
        u, v = self._coordinates[rows].unbind(1)
        points = self._a[planes] * u
        points.addcmul_(self._b[planes], v)
        points += self._origins[planes]
        return points.clamp_(self._least[planes], self._most[planes])

    def _prepared(self, points: torch.Tensor) -> torch.Tensor:
        """As `Preprocessing.apply`, in the same order."""
        if self._preprocessing.scale != 1.0:
            points *= self._preprocessing.scale
        if self._mean is not None:
            points -= self._mean
        if self._std is not None:
            points /= self._std
        if self._preprocessing.layout == "nhwc":
            points = points.permute(0, 2, 3, 1)
        if self._dtype == torch.uint8:
            points = points.round().clamp_(0, 255)
        return points.to(self._dtype).contiguous()

    def _here(self, array: Any) -> torch.Tensor:
        return torch.tensor(array, device=self._device)

    def _per_channel(self, values: tuple[float, ...] | None) -> torch.Tensor | None:
        if values is None:
            return None
        return torch.tensor(values, dtype=torch.float32, device=self._device).reshape(1, -1, 1, 1)


def _input_type(given: str, declared: str | None) -> torch.dtype:
    """Bytes where the preprocessing says so; of floats the wider one of both."""
    if given == "uint8":
        return torch.uint8
    own = _FLOATS[given]
    return own if declared is None else torch.promote_types(own, _FLOATS[declared])
