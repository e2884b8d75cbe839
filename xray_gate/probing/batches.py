"""Batches of questions: images as they are, or a description of them.

A description is points in planes, or images under triggers. What asks a model in another process
sends it instead of megabytes of pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """Images as they are: `pixels` float32 (n, channels, height, width), 0 black, 1 white."""

    pixels: FloatArray

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: IndexArray) -> "Images":
        """The images at `indices`, in that order; repeats are allowed."""
        return Images(self.pixels[indices])

    def images(self, start: int, stop: int) -> FloatArray:
        """Images `start` up to `stop`, float32 (stop - start, channels, height, width)."""
        return self.pixels[start:stop]


@dataclass(frozen=True)
class PlanePoints:
    """The points origin + u*a + v*b for the rows (u, v) of `coordinates`.

    `origin`, `a` and `b` are float32 (channels, height, width); `coordinates` float32 (n, 2) in
    units of the Euclidean pixel distance. With `clip` the points are brought back into [0, 1].
    """

    origin: FloatArray
    a: FloatArray
    b: FloatArray
    coordinates: FloatArray
    clip: bool

    def __len__(self) -> int:
        return len(self.coordinates)

    def take(self, indices: IndexArray) -> "PlanePoints":
        """The points at `indices`, in that order; repeats are allowed."""
        return replace(self, coordinates=self.coordinates[indices])

    def images(self, start: int, stop: int) -> FloatArray:
        """Points `start` up to `stop` as images, float32 (stop - start, channels, height, width).

        A whole plane never exists in memory: callers ask for a batch at a time.
        """
        part = self.coordinates[start:stop]
        basis = np.stack([self.a.ravel(), self.b.ravel()])
        points: FloatArray = part @ basis
        points += self.origin.ravel()
        if self.clip:
            np.clip(points, 0.0, 1.0, out=points)
        return points.reshape(len(part), *self.origin.shape)


@dataclass(frozen=True)
class JoinedPlanes:
    """Points of several planes in one batch, so that refining many of them keeps batches full.

    Question i is the point `coordinates[i]` (float32 (n, 2), as in `PlanePoints`) of the plane
    `planes[i]` (int64 (n,)), whose vectors are the rows of `origins`, `a` and `b`, float32 (k,
    channels, height, width), and which is brought back into [0, 1] where `clips`, bool (k,), says
    so. Raises ValueError where the sizes do not fit.
    """

    origins: FloatArray
    a: FloatArray
    b: FloatArray
    clips: npt.NDArray[np.bool_]
    planes: IndexArray
    coordinates: FloatArray

    def __post_init__(self) -> None:
        shapes = {self.origins.shape, self.a.shape, self.b.shape}
        known = len(self.origins)
        if len(shapes) > 1 or self.clips.shape != (known,) or self.origins.ndim != 4:
            raise ValueError(f"{known} planes need as many vectors a and b, and clips; got others")
        if self.planes.shape != (len(self.coordinates),):
            raise ValueError(
                f"{len(self.coordinates)} points need one plane each, got {self.planes.shape}"
            )
        if len(self) and not 0 <= int(self.planes.min()) <= int(self.planes.max()) < known:
            raise ValueError(
                f"{known} planes are 0 to {known - 1}, not {self.planes.min()} to "
                f"{self.planes.max()}"
            )

    @classmethod
    def join(cls, parts: Sequence[PlanePoints]) -> Self:
        """All points of at least one part, in order; parts share one shape of images."""
        counts = [len(part) for part in parts]
        return cls(
            origins=np.stack([part.origin for part in parts]),
            a=np.stack([part.a for part in parts]),
            b=np.stack([part.b for part in parts]),
            clips=np.array([part.clip for part in parts], dtype=np.bool_),
            planes=np.repeat(np.arange(len(parts), dtype=np.int64), counts),
            coordinates=np.concatenate([part.coordinates for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.coordinates)

    def take(self, indices: IndexArray) -> "JoinedPlanes":
        """The points at `indices`, in that order; repeats are allowed."""
        return replace(self, planes=self.planes[indices], coordinates=self.coordinates[indices])

    def images(self, start: int, stop: int) -> FloatArray:
        """Points `start` up to `stop` as images, float32 (stop - start, channels, height, width).

        All of them never exist in memory: callers ask for a batch at a time.
        """
        planes = self.planes[start:stop]
        coordinates = self.coordinates[start:stop]
        points = np.empty((len(planes), *self.origins.shape[1:]), dtype=np.float32)
        for plane in np.unique(planes):
            rows = np.flatnonzero(planes == plane)
            vectors = (self.origins[plane], self.a[plane], self.b[plane])
            part = PlanePoints(*vectors, coordinates[rows], clip=bool(self.clips[plane]))
            points[rows] = part.images(0, len(rows))
        return points


@dataclass(frozen=True)
class Stamps:
    """Images under triggers: (1 - mask) * image + mask * pattern, B3D's Eq. 1.

    `pixels` float32 (n, channels, height, width); `masks` float32 (k, height, width), shared by the
    channels, and `patterns` float32 (k, channels, height, width), all in [0, 1]. Question
    j * n + i is image i under trigger j. `questions` int64 (m,) says which of the n * k are asked,
    in which order; None stands for all of them. Raises ValueError where the sizes do not fit.
    """

    pixels: FloatArray
    masks: FloatArray
    patterns: FloatArray
    questions: IndexArray | None = None

    def __post_init__(self) -> None:
        if (
            self.pixels.ndim != 4
            or self.masks.shape != (len(self.patterns), *self.pixels.shape[2:])
            or self.patterns.shape[1:] != self.pixels.shape[1:]
        ):
            raise ValueError(
                f"images of the shape {self.pixels.shape} cannot carry masks of the shape "
                f"{self.masks.shape} with patterns of the shape {self.patterns.shape}"
            )
        asked = self.questions
        if asked is None or asked.size == 0:
            return
        most = len(self.pixels) * len(self.masks)
        if asked.ndim != 1 or not 0 <= int(asked.min()) <= int(asked.max()) < most:
            raise ValueError(
                f"{len(self.pixels)} images under {len(self.masks)} triggers have the questions 0 "
                f"to {most - 1}, not {asked.min()} to {asked.max()} of the shape {asked.shape}"
            )

    def __len__(self) -> int:
        return len(self.pixels) * len(self.masks) if self.questions is None else len(self.questions)

    def take(self, indices: IndexArray) -> "Stamps":
        """The questions at `indices`, in that order; repeats are allowed. Nothing is stamped."""
        return replace(
            self, questions=indices if self.questions is None else self.questions[indices]
        )

    def pairs(self, start: int, stop: int) -> tuple[IndexArray, IndexArray]:
        """Trigger and image of the questions `start` up to `stop`, each int64 (stop - start,)."""
        if self.questions is None:
            asked = np.arange(start, min(stop, len(self)))
        else:
            asked = self.questions[start:stop]
        return np.divmod(asked, max(1, len(self.pixels)))

    def images(self, start: int, stop: int) -> FloatArray:
        """Stamped images `start` up to `stop`, float32 (stop - start, channels, height, width).

        All of them never exist in memory: callers ask for a batch at a time.
        """
        triggers, rows = self.pairs(start, stop)
        masks = self.masks[triggers][:, None]
        stamped = self.patterns[triggers]
        kept = self.pixels[rows]
        # Not image + mask * (pattern - image): rounding must leave neither [0, 1] nor, where the
        # mask is 0 or 1, the image and the pattern.
        stamped *= masks
        kept *= 1 - masks
        stamped += kept
        return stamped


Batch = Images | PlanePoints | JoinedPlanes | Stamps
