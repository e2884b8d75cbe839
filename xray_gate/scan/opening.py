"""How a policy wants a model to be opened and asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from xray_gate.core.errors import InputError, ModelAnswerError
from xray_gate.core.model_format import FORMATS
from xray_gate.policy.files import Policy
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.ports import (
    Device,
    FileCheck,
    FileRules,
    ModelLimits,
    ModelOpener,
    ModelRequest,
    OpenModel,
)

# Of four planes; evenly spaced, so that samples in a row are of different classes as a rule.
_SAMPLE = 12


def preprocessing_of(policy: Policy) -> Preprocessing:
    """The preprocessing that a policy declares."""
    return Preprocessing.from_json(policy.document.preprocessing.model_dump(mode="json"))


def model_request(
    path: Path, policy: Policy, classes: int, shape: tuple[int, ...], device: Device
) -> ModelRequest:
    """How the model at `path` is opened and asked under `policy`, for images of `shape`.

    It has to know at least `classes` labels, or as many as the policy says.
    """
    document = policy.document
    channels, height, width = shape
    return ModelRequest(
        path=path,
        preprocessing=preprocessing_of(policy),
        outputs=document.outputs,
        classes=document.classes or classes,
        input_shape=(channels, height, width),
        device=device,
        limits=ModelLimits(document.limits.seconds, document.limits.memory_mb * 2**20),
        isolation=document.isolation.least,
        formats=FORMATS if document.formats is None else document.formats,
        files=file_rules(policy),
    )


def file_rules(policy: Policy) -> FileRules:
    """What the files of a model may be under `policy`."""
    document = policy.document
    return FileRules(
        document.limits.files,
        document.limits.files_mb * 2**20,
        document.unsafe_unchecked_code,
    )


def probed_request(path: Path, policy: Policy, probes: ProbeSet, device: Device) -> ModelRequest:
    """The same for the shape and the labels of `probes`.

    Raises `InputError` where these hold a label that the policy does not know of.
    """
    shape = probes.images.shape[1:]
    request = model_request(path, policy, _least_classes(policy, probes), shape, device)
    rows = np.linspace(0, len(probes) - 1, min(_SAMPLE, len(probes))).astype(np.int64)
    return replace(request, sample=probes.images[rows])


def checked(open_model: ModelOpener, check: FileCheck) -> ModelOpener:
    """An opener that has the model's files looked at first.

    Whoever opens a model goes through it: scans, champions, references and mitigation alike.
    """

    @contextmanager
    def open_checked(request: ModelRequest) -> Iterator[OpenModel]:
        check(request.path, request.files)
        with open_model(request) as model:
            yield model

    return open_checked


def check_classes(policy: Policy, model: OpenModel) -> None:
    """Raise `ModelAnswerError` where the model knows another number of labels than declared."""
    declared = policy.document.classes
    if declared is not None and model.classes != declared:
        raise ModelAnswerError(
            f"the model has {model.classes} classes, but the policy {policy.name} says {declared}; "
            "correct `classes`, or register the model under a name with another policy"
        )


def _least_classes(policy: Policy, probes: ProbeSet) -> int:
    seen = int(probes.labels.max()) + 1
    declared = policy.document.classes
    if declared is not None and declared < seen:
        raise InputError(
            f"the policy {policy.name} says that there are {declared} classes, but the "
            f"probes hold the label {seen - 1}; correct `classes` or the probes"
        )
    return declared or seen
