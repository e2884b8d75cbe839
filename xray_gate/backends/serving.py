"""The loop of the model's process: reads requests, asks the model, writes answers."""

import os
from pathlib import Path
from typing import Any, BinaryIO

from xray_gate.backends.batch_size import chosen_batch_size
from xray_gate.backends.classifier import Asking, Classifier
from xray_gate.backends.interface import ModelSpec, Runner, speaks_of_memory
from xray_gate.backends.protocol import LENGTH_BYTES, decode_header, encode_header, header_length
from xray_gate.backends.questions import read_batch, read_sample
from xray_gate.core.errors import InputError, ModelAnswerError, NoGradients, ShapeMismatch
from xray_gate.core.model_format import Format
from xray_gate.probing.batches import Batch, FloatArray
from xray_gate.probing.preprocessing import Preprocessing

_MESSAGE_LIMIT = 2000


def serve(requests: int, answers: int) -> None:
    """Answer until the other side closes; file descriptors are taken over."""
    with os.fdopen(requests, "rb", buffering=0) as source, os.fdopen(answers, "wb", 0) as sink:
        server = _Server(source)
        while (prefix := source.read(LENGTH_BYTES)) and len(prefix) == LENGTH_BYTES:
            header = decode_header(bytes(_read(source, header_length(prefix))))
            for part in server.answer(header):
                _write(sink, part)


class _Server:
    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._classifier: Classifier | None = None
        self._shape = (0, 0, 0)

    def answer(self, header: dict[str, Any]) -> list[bytes]:
        """The answer's parts; whatever goes wrong is an answer too."""
        try:
            if header["ask"] == "open":
                sample = read_sample(header, lambda count: _read(self._source, count))
                return [encode_header({"opened": self._open(header["model"], sample)})]
            # All of a question is read before it is asked, or the next would start inside it.
            batch = read_batch(header, self._shape, lambda count: _read(self._source, count))
            if self._classifier is None:
                raise InputError("no model has been opened; open one first")
            return _answered(self._classifier, batch, header)
        except Exception as error:
            message = _text(error)[:_MESSAGE_LIMIT]
            return [encode_header({"error": _kind(error), "message": message})]

    def _open(self, model: dict[str, Any], sample: FloatArray | None) -> dict[str, Any]:
        runner = open_runner(
            model["format"], ModelSpec(Path(model["path"]), model["device"], model["threads"])
        )
        channels, height, width = model["input_shape"]
        self._shape = (channels, height, width)
        device = runner.environment["device"]
        asking = Asking(
            preprocessing=Preprocessing.from_json(model["preprocessing"]),
            outputs=model["outputs"],
            classes=model["classes"],
            input_shape=self._shape,
            batch_size=model["batch_size"] or chosen_batch_size(self._shape, device),
        )
        self._classifier = Classifier(runner, asking, sample)
        return {
            "classes": self._classifier.classes,
            "soft": self._classifier.soft,
            "batch_size": self._classifier.batch_size,
            "architecture": runner.architecture,
            "environment": {**runner.environment, **self._classifier.facts},
        }


def _answered(classifier: Classifier, batch: Batch, header: dict[str, Any]) -> list[bytes]:
    answer = header.get("answer")
    if answer == "labels":
        labels = classifier.labels(batch).astype("<i8", copy=False)
        return [encode_header({"labels": len(labels)}), labels.tobytes()]
    if answer == "probabilities":
        rows = classifier.probabilities(batch).astype("<f4", copy=False)
        return [encode_header({"probabilities": len(rows)}), rows.tobytes()]
    if answer == "slopes":
        found = classifier.slopes(batch, int(header["label"]))
        arrays = (found.probabilities, found.log_odds)
        parts = [array.astype("<f4", copy=False).tobytes() for array in arrays]
        return [encode_header({"slopes": len(batch)}), *parts]
    raise ValueError(f"there is no answer of the kind {answer!r}")


def open_runner(model_format: Format, spec: ModelSpec) -> Runner:
    """Load the model with the back end for its format, which is imported only now."""
    if model_format == "onnx":
        from xray_gate.backends.onnx import open_onnx

        return open_onnx(spec)
    if model_format == "mlflow-pyfunc":
        from xray_gate.backends.pyfunc import open_pyfunc

        return open_pyfunc(spec)
    from xray_gate.backends import torch_module

    opener = {
        "torchscript": torch_module.open_torchscript,
        "pt2": torch_module.open_pt2,
        "mlflow-pytorch": torch_module.open_mlflow_pytorch,
    }[model_format]
    return opener(spec)


def _kind(error: Exception) -> str:
    if isinstance(error, ShapeMismatch):
        return "shape"
    if isinstance(error, InputError):
        return "input"
    if isinstance(error, ModelAnswerError):
        return "answer"
    if isinstance(error, NoGradients):
        return "gradients"
    if isinstance(error, MemoryError) or speaks_of_memory(str(error)):
        return "memory"
    return "failed"


def _text(error: Exception) -> str:
    if isinstance(error, (InputError, ModelAnswerError, NoGradients)):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _read(source: BinaryIO, count: int) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        read = source.readinto(view)  # type: ignore[attr-defined]
        if not read:
            raise EOFError("the other side closed in the middle of a message")
        view = view[read:]
    return data


def _write(sink: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[sink.write(view) :]
