"""Evidence as it lies in a database, and what a policy makes of it."""

import json
from collections.abc import Mapping
from functools import cache

from tests.fuzz.choosing import Choose, changed_json
from tests.fuzz.scratch import folder
from tests.policy.builders import calibrated, calibration
from tests.policy.builders import policy as policy_with
from tests.report.b3d_builders import b3d
from tests.report.builders import evidence as reported
from tests.support.evidence import backdoored, clean, make_policy, unscannable
from xray_gate.core.evidence import Evidence, RunState
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy

WORDS = (b'"completed"', b'"skipped"', b'"detectors"', b'"statistics"', b'"probes"', b"NaN")


@cache
def _policies() -> tuple[Policy, ...]:
    place = folder("evidence")
    every = {
        "model_xray": {},
        "trigger_sweep": {"mode": "required"},
        "b3d": {"mode": "optional"},
        "dtinspector": {"only_near": {"detectors": ["trigger_sweep"]}},
        "others": {"mine": {"mode": "optional"}},
    }
    return (
        make_policy(place),
        make_policy(place, "every", detectors=every),
        policy_with(calibrated("renyi_entropy.valid"), calibration()),
    )


def target(data: bytes) -> None:
    """What passes was asked about probes, and a required detector was completed."""
    try:
        evidence = Evidence.from_json(json.loads(data))
    except (KeyError, TypeError, ValueError, RecursionError):
        return
    for policy in _policies():
        decision = decide(policy, evidence)
        assert decision.reasons
        if decision.verdict is Verdict.PASSED:
            named = policy.document.detectors.named()
            completed = [d.name for d in evidence.detectors if d.state is RunState.COMPLETED]
            assert evidence.probes is not None
            assert evidence.obstacle is None
            assert any(named[name].mode == "required" for name in completed if name in named)


def seeds() -> Mapping[str, bytes]:
    """Scans that passed, failed and could not be made, and one of several detectors."""
    found = {
        "clean": clean(),
        "backdoored": backdoored(),
        "unscannable": unscannable(),
        "several": reported(detectors=(*reported().detectors, b3d())),
    }
    return {name: json.dumps(one.to_json()).encode() for name, one in found.items()}


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree."""
    words = ("completed", "skipped", "errored", "trigger_sweep", "b3d", "mine")
    return changed_json(data, choose, words)
