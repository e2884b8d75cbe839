"""What a model's process answers: frames, each sent when a question came."""

import json
import struct
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from tests.backends.asking import request, some_images, some_plane
from tests.backends.tiny_onnx import brightest_channel
from tests.fuzz.choosing import Choose, changed_bytes, changed_json
from tests.fuzz.played import PlayedProcess
from xray_gate.backends.isolation import IsolatedModel
from xray_gate.backends.process import ModelProcess
from xray_gate.core.errors import InputError, ModelProcessError, ScanError
from xray_gate.probing.batches import Images
from xray_gate.scan.ports import ModelLimits

WORDS = (
    *(b'{"opened": ', b'"classes": 3', b'"soft": true', b'"batch_size": 8', b'"architecture": '),
    *(b'"environment": {}', b'{"labels": 2}', b'{"probabilities": 2}', b'{"slopes": 2}'),
    *(b'{"error": "failed", "message": ""}', b'"memory"', b'"gradients"', b'"shape"', b"\\ud800"),
    *(b"\0\0\0\x02{}", b"\0\0\x80\x7f", b"\0\0\xa0\x7f", b"\xff\xff\xff\xff"),
)
_TWO = Images(some_images(2))
_KINDS = ("labels", "probabilities", "slopes", "plane")


def target(data: bytes) -> None:
    """What is believed could be a classifier's; who broke the protocol is asked no more."""
    frames = split(data)
    with PlayedProcess(frames) as process:
        try:
            model = IsolatedModel(process, "onnx", request(Path("m.onnx")), {})
        except (ScanError, InputError) as error:
            _told(error)
            return
        assert 3 <= model.classes <= 1_000_000
        for kind in _KINDS:
            try:
                _ask(model, kind)
            except (ScanError, InputError) as error:
                _told(error)
                if isinstance(error, ModelProcessError):
                    _stays_ended(model, error)
                    return


def _ask(model: IsolatedModel, kind: str) -> None:
    if kind in ("labels", "plane"):
        batch = _TWO if kind == "labels" else some_plane(2, clip=True)
        labels = model.labels(batch)
        assert labels.shape == (len(batch),)
        assert labels.min() >= 0
        assert labels.max() < model.classes
        return
    if kind == "probabilities":
        rows = model.probabilities(_TWO)
    else:
        slopes = model.slopes(_TWO, 1)
        rows = slopes.probabilities
        assert slopes.log_odds.shape == (2, 3, 4, 4)
        assert np.isfinite(slopes.log_odds).all()
    assert rows.shape == (2, model.classes)
    assert rows.min() >= 0
    assert np.allclose(rows.sum(axis=1, dtype=np.float64), 1, atol=1e-4)


def _stays_ended(model: IsolatedModel, error: ModelProcessError) -> None:
    with pytest.raises(ModelProcessError) as again:
        model.labels(_TWO)
    assert str(again.value) == str(error)


def _told(error: Exception) -> None:
    text = str(error)
    assert text
    assert text.isprintable()
    assert len(text) < 2000


def split(data: bytes) -> list[bytes]:
    """The frames in an input: two bytes of length before each, the last one as long as it is."""
    frames = []
    while data:
        length = int.from_bytes(data[:2], "big")
        frames.append(data[2 : 2 + length])
        data = data[2 + length :]
    return frames


def joined(frames: Sequence[bytes]) -> bytes:
    """The other way round."""
    return b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)


class _Recorded(ModelProcess):
    """Keeps what a real process answers."""

    def _receive(self, count: int) -> bytes:
        self.__dict__.setdefault("kept", []).append(found := super()._receive(count))
        return found


@cache
def seeds() -> Mapping[str, bytes]:
    """What a real process answers for a real ONNX file, and every error that one may report."""
    script = "from xray_gate.backends.serving import serve; serve(0, 1)"
    with TemporaryDirectory() as folder:
        asked = request(brightest_channel(Path(folder) / "m.onnx"))
        question = {
            "path": str(asked.path),
            "format": "onnx",
            "preprocessing": asked.preprocessing.to_json(),
            "outputs": "auto",
            "classes": 3,
            "input_shape": (3, 4, 4),
            "device": "cpu",
            "batch_size": 8,
            "threads": 1,
        }
        environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
        limits = ModelLimits(seconds=60.0)
        command = [sys.executable, "-c", script]
        with _Recorded(command, environment, Path(folder), limits) as process:
            model = IsolatedModel(process, "onnx", asked, question)
            for kind in _KINDS:
                _ask(model, kind)
            kept: list[bytes] = process.__dict__["kept"]
    # Each answer is a length, a header and, but for the first one, numbers.
    frames = [b"".join(kept[:2]), *(b"".join(kept[at : at + 3]) for at in range(2, len(kept), 3))]
    found = {"honest": joined(frames), "opened": joined(frames[:1])}
    for kind in ("input", "shape", "answer", "gradients", "memory", "failed"):
        told = framed(json.dumps({"error": kind, "message": f"it is {kind}"}).encode())
        found[kind] = joined([frames[0], *([told] * 4)])
    return found


def framed(body: bytes, payload: bytes = b"") -> bytes:
    """A header with its length, and what follows it."""
    return struct.pack(">I", len(body)) + body + payload


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another header in one of the frames, other numbers after it, or other frames."""
    frames = split(data)
    if not frames:
        return changed_bytes(data, choose)
    at = choose(len(frames))
    length = int.from_bytes(frames[at][:4], "big")
    body, payload = frames[at][4 : 4 + length], frames[at][4 + length :]
    what = choose(6)
    if what == 0:
        frames[at : at + 1] = [frames[choose(len(frames))]] * choose(3)
    elif what == 1:
        frames[at] = changed_bytes(frames[at], choose)
    elif what == 2:
        fill = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\xa0\x7f")[choose(5)]
        frames[at] = framed(body, (payload[: choose(64)] + fill * len(payload))[: len(payload)])
    else:
        words = ("labels", "probabilities", "slopes", "error", "opened", "memory", 3)
        frames[at] = framed(changed_json(body, choose, words), payload)
    return joined([frame[:60_000] for frame in frames])
