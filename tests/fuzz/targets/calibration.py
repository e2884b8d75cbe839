"""Calibration files, and those that are not finished yet."""

import json
from collections.abc import Mapping
from importlib.resources import files

from tests.fuzz.choosing import Choose, changed_json
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from tests.policy.builders import calibrated, calibration, labelled
from tests.policy.builders import policy as policy_with
from tests.support.evidence import clean
from xray_gate.core.errors import InputError, PolicyError
from xray_gate.core.verdict import Verdict
from xray_gate.policy.calibration import Calibration, read_calibration
from xray_gate.policy.decision import decide
from xray_gate.scan.calibration_draft import CalibrationDraft

WORDS = (
    *(b'"format"', b'"references"', b'"scores"', b'"group"', b'"architecture"', b'"parameters"'),
    *(b'"settings"', b'"environment"', b'"probe_accuracy"', b"NaN", b"1e999", b"\\ud800"),
)
_DRAFT = b"xray-gate/unfinished-calibration-v1"


def target(data: bytes) -> None:
    """References that are read are finite, and let nothing pass that was measured otherwise."""
    path = written("calibration/calibration.json.unfinished.json", data)
    draft = CalibrationDraft(path.with_name("calibration.json"), {"seed": 3})
    try:
        kept = draft.read()
    except InputError as error:
        require(error, str(path))
    else:
        assert all(digest == reference.digest for digest, reference in kept.items())
    try:
        read = read_calibration(path)
    except PolicyError as error:
        require(error, str(path), "; make one with")
        return
    assert Calibration.model_validate(json.loads(read.model_dump_json())) == read
    policy = policy_with(calibrated("renyi_entropy.valid"), read)
    assert decide(policy, clean()).verdict is not Verdict.PASSED


def seeds() -> Mapping[str, bytes]:
    """The one that is shipped, one with backdoored references, and half of one."""
    both = labelled([1, 2, 3], {"patch": [0.1, 0.2]}, {"numpy": "2"})
    draft = {
        "format": _DRAFT.decode(),
        "settings": {"xray_gate_version": "0", "seed": 3},
        "references": [json.loads(both.references[0].model_dump_json())],
    }
    return {
        "shipped": files("xray_gate").joinpath("data/demo/calibration.json").read_bytes(),
        "small": calibration([1.0, 2.0]).model_dump_json().encode(),
        "labelled": both.model_dump_json().encode(),
        "draft": json.dumps(draft).encode(),
    }


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree."""
    return changed_json(data, choose)
