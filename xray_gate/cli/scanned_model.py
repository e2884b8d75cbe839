"""Whether what a command line names fits the scan whose folder it names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xray_gate.core.errors import InputError
from xray_gate.policy.files import Policy
from xray_gate.probing.trigger_files import StoredTrigger
from xray_gate.report.json_v1 import ReportV1
from xray_gate.scan.digest import model_digest
from xray_gate.scan.opening import preprocessing_of
from xray_gate.scan.ports import OpenModel


def require_the_scanned_model(path: Path, report: ReportV1) -> str:
    """The digest of the model at `path`; `InputError` when the report is about another."""
    digest = model_digest(path)
    if digest != report.model.digest:
        raise InputError(
            f"{path}: has the digest {digest}, but the report is about {report.model.digest}; give "
            "the model that was scanned, or scan this one"
        )
    return digest


def require_the_scans_preprocessing(policy: Policy, report: ReportV1) -> None:
    """Raise `InputError` when the model was asked with another preprocessing than `policy` says."""
    scanned: Any = report.environment.get("preprocessing")
    if scanned is not None and scanned != preprocessing_of(policy).to_json():
        raise InputError(
            f"the scan asked the model with another preprocessing than the policy {policy.name} "
            f"says; give the scan's policy ({report.policy.name}) with --policy"
        )


def require_a_fitting_model(
    model: OpenModel, triggers: Sequence[StoredTrigger], comparing: str, towards: str
) -> None:
    """Raise `InputError` where `model` gives no probabilities, or lacks a trigger's label.

    `comparing` says what the probabilities are for, `towards` what a trigger is to its label.
    """
    if not model.soft:
        raise InputError(
            f"the model gives labels, and {comparing}; export it with one column of scores for "
            "each class"
        )
    largest = max(trigger.label for trigger in triggers)
    if largest >= model.classes:
        raise InputError(
            f"{towards} label {largest}, but the model knows {model.classes} labels; scan the "
            "model again"
        )


def require_shape(source: str, shape: Sequence[int], wanted: Sequence[int]) -> None:
    """Raise `InputError` where `shape`, (channels, height, width), is not what was scanned."""
    if tuple(shape) != tuple(wanted):
        raise InputError(
            f"{source}: is of {_size(shape)}, but the trigger was reversed for images of "
            f"{_size(wanted)}; give images such as were scanned, or the scan's policy, whose "
            "preprocessing sets the size"
        )


def _size(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{height} x {width} pixels and {channels} channels"
