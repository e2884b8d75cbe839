"""Batches as messages: what is sent to the model's process, and how it is read there.

A batch of any size goes over in messages of some MiB, each with an answer of some MiB, so that
neither side holds a copy of all images, and a large batch of many classes is no large answer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.core.errors import ShapeMismatch
from xray_gate.probing.batches import (
    Batch,
    FloatArray,
    Images,
    IndexArray,
    JoinedPlanes,
    PlanePoints,
    Stamps,
)

Shape = tuple[int, int, int]

# Images go over in pieces of about this size.
_PIECE_BYTES = 16 * 2**20
# Of the images that one message of stamps describes, and again of its triggers. More than a piece:
# a mini-batch that does not fit would be sent once for every trigger.
_DESCRIBED_BYTES = 32 * 2**20
_ANSWER_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Message:
    """`count` questions: the header's fields, and the arrays that follow it."""

    header: dict[str, object]
    count: int
    arrays: tuple[memoryview, ...]


def messages(batch: Batch, shape: Shape, batch_size: int, answer_bytes: int) -> Iterator[Message]:
    """All questions of `batch`, in order, in whole batches where they fit into a message.

    `shape` is that of one image, `answer_bytes` the size of one answer. Raises `ShapeMismatch`
    where the batch has images of another shape.
    """
    most = max(1, _ANSWER_BYTES // answer_bytes)
    if isinstance(batch, PlanePoints):
        _check_shape(shape, batch.origin.shape, batch.a.shape, batch.b.shape)
        return _of_plane(batch, _whole(most, batch_size))
    if isinstance(batch, JoinedPlanes):
        _check_shape(shape, *(v.shape[1:] for v in (batch.origins, batch.a, batch.b)))
        return _of_planes(batch, most, batch_size)
    _check_shape(shape, batch.pixels.shape[1:])
    if isinstance(batch, Stamps):
        return _of_stamps(batch, most, batch_size)
    fitting = max(1, _PIECE_BYTES // _image_bytes(shape))
    return _of_images(batch, _whole(min(most, fitting), batch_size))


def read_batch(header: Mapping[str, Any], shape: Shape, read: Callable[[int], bytearray]) -> Batch:
    """The other side of `messages`: the batch that follows `header`.

    `read` takes as many bytes as it is told. Raises ValueError, before anything is read or after
    everything, where the header or the arrays are not as agreed.
    """

    def array(kind: str, *lengths: int) -> npt.NDArray[Any]:
        data = read(np.dtype(kind).itemsize * int(np.prod(lengths)))
        return np.frombuffer(data, dtype=kind).reshape(lengths)

    ask, count = header.get("ask"), _length(header, "count")
    if ask == "images":
        return Images(array("<f4", count, *shape))
    if ask == "plane":
        clip = header.get("clip")
        if type(clip) is not bool:
            raise ValueError(f"`clip` is {clip!r}, neither true nor false")
        origin, a, b = array("<f4", 3, *shape)
        return PlanePoints(origin, a, b, array("<f4", count, 2), clip)
    if ask == "planes":
        planes = _length(header, "planes")
        origins, a, b = (array("<f4", planes, *shape) for _ in range(3))
        clips, which = array("|b1", planes), array("<i8", count)
        return JoinedPlanes(origins, a, b, clips, which, array("<f4", count, 2))
    if ask == "stamps":
        images, triggers = _length(header, "images"), _length(header, "triggers")
        return Stamps(
            array("<f4", images, *shape),
            array("<f4", triggers, *shape[1:]),
            array("<f4", triggers, *shape),
            array("<i8", count),
        )
    raise ValueError(f"there is no question of the kind {ask!r}")


def read_sample(header: Mapping[str, Any], read: Callable[[int], bytearray]) -> FloatArray | None:
    """The images that follow the request to open a model, as many as its `sample` says, if any."""
    if "sample" not in header:
        return None
    shape = (_length(header, "sample"), *header["model"]["input_shape"])
    data = read(4 * int(np.prod(shape)))
    return np.frombuffer(data, dtype="<f4").reshape(shape)


def _of_images(batch: Images, step: int) -> Iterator[Message]:
    for start in range(0, len(batch), step):
        pixels = batch.images(start, min(start + step, len(batch)))
        header: dict[str, object] = {"ask": "images", "count": len(pixels)}
        yield Message(header, len(pixels), (_floats(pixels),))


def _of_plane(batch: PlanePoints, step: int) -> Iterator[Message]:
    vectors = tuple(_floats(vector) for vector in (batch.origin, batch.a, batch.b))
    for start in range(0, len(batch), step):
        part = batch.coordinates[start : start + step]
        header: dict[str, object] = {"ask": "plane", "count": len(part), "clip": batch.clip}
        yield Message(header, len(part), (*vectors, _floats(part)))


def _of_planes(batch: JoinedPlanes, most: int, batch_size: int) -> Iterator[Message]:
    """Each message names its own planes only."""
    most_planes = max(1, _DESCRIBED_BYTES // (3 * _image_bytes(batch.origins.shape[1:])))
    start = 0
    while start < len(batch):
        asked = batch.planes[start : start + most]
        fitting = _fitting(asked, most_planes)
        count = fitting if start + fitting == len(batch) else _whole(fitting, batch_size)
        named, planes = np.unique(asked[:count], return_inverse=True)
        header: dict[str, object] = {"ask": "planes", "count": count, "planes": len(named)}
        arrays = (
            *(_floats(vectors[named]) for vectors in (batch.origins, batch.a, batch.b)),
            np.ascontiguousarray(batch.clips[named], dtype="|b1").data,
            np.ascontiguousarray(planes, dtype="<i8").data,
            _floats(batch.coordinates[start : start + count]),
        )
        yield Message(header, count, arrays)
        start += count


def _of_stamps(batch: Stamps, most: int, batch_size: int) -> Iterator[Message]:
    """Each message names its own images and triggers only."""
    image_bytes = _image_bytes(batch.pixels.shape[1:])
    most_images = max(1, _DESCRIBED_BYTES // image_bytes)
    most_triggers = max(1, _DESCRIBED_BYTES // (image_bytes + _image_bytes(batch.masks.shape[1:])))
    start = 0
    while start < len(batch):
        triggers, images = batch.pairs(start, start + most)
        fitting = min(_fitting(triggers, most_triggers), _fitting(images, most_images))
        count = fitting if start + fitting == len(batch) else _whole(fitting, batch_size)
        named_triggers, trigger = np.unique(triggers[:count], return_inverse=True)
        named_images, image = np.unique(images[:count], return_inverse=True)
        header: dict[str, object] = {
            "ask": "stamps",
            "count": count,
            "images": len(named_images),
            "triggers": len(named_triggers),
        }
        arrays = (
            _floats(batch.pixels[named_images]),
            _floats(batch.masks[named_triggers]),
            _floats(batch.patterns[named_triggers]),
            np.ascontiguousarray(trigger * len(named_images) + image, dtype="<i8").data,
        )
        yield Message(header, count, arrays)
        start += count


def _fitting(named: IndexArray, most: int) -> int:
    """How many of `named`, from the first on, name at most `most` different things."""
    firsts = np.sort(np.unique(named, return_index=True)[1])
    return len(named) if len(firsts) <= most else int(firsts[most])


def _whole(count: int, batch_size: int) -> int:
    """`count` rounded down to whole batches, if it is more than one."""
    return count - count % batch_size if count > batch_size else count


def _image_bytes(shape: tuple[int, ...]) -> int:
    return 4 * int(np.prod(shape))


def _floats(array: FloatArray) -> memoryview:
    return np.ascontiguousarray(array, dtype="<f4").data


def _length(header: Mapping[str, Any], name: str) -> int:
    value = header.get(name)
    if type(value) is not int or value < 1:
        raise ValueError(f"`{name}` is {value!r}, which is no number of 1 or more")
    return value


def _check_shape(expected: Shape, *shapes: tuple[int, ...]) -> None:
    for shape in shapes:
        if shape != tuple(expected):
            raise ShapeMismatch(
                f"the model was opened for images of the shape {tuple(expected)}, but asked about "
                f"{shape}; ask about images of the probes' own shape"
            )
