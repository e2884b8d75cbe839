"""Policies, the YAML that somebody wrote."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import yaml

from tests.fuzz.choosing import Choose, changed_bytes, changed_tree
from tests.fuzz.scratch import folder, written
from tests.fuzz.telling import require
from tests.support.evidence import clean, policy_document
from xray_gate.core.errors import PolicyError
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy, read_policy

WORDS = (
    *(b"apiVersion: xray-gate/v1", b"kind: Policy", b"detectors:", b"mode: required"),
    *(b"mode: optional", b"trigger_sweep", b"model_xray", b"dtinspector", b"b3d", b"others:"),
    *(b"thresholds:", b"calibration: calibration.json", b"parameters:", b"<<: *a", b"&a", b"*a"),
    *(b"!!int", b"!!float", b"!!bool", b"!!timestamp", b"!!binary", b"!!set", b"!!omap", b"? "),
    *(b"1:1:1", b"0x", b".nan", b".inf", b'"\\ud800"', b'"\\0"', b"only_near:", b"decision:"),
)
_SHIPPED = Path(__file__).parents[3] / "policies"


def target(data: bytes) -> None:
    """A policy that is read keeps its digest, and lets nothing pass without evidence."""
    _beside()
    path = written("policy/policy.yaml", data)
    try:
        policy = read_policy(path)
    except PolicyError as error:
        # The file, or the calibration that it names. Some of pydantic's own problems say what is
        # allowed, and no more.
        require(error, str(path.parent), step=": ")
        return
    assert Policy.from_json(policy.to_json()).digest == policy.digest
    measured = clean()
    for evidence in (
        replace(measured, probes=None),
        replace(measured, detectors=()),
        replace(measured, obstacle="the model's process died"),
    ):
        assert decide(policy, evidence).verdict is not Verdict.PASSED


def _beside() -> None:
    place = folder("policy") / "calibration.json"
    if not place.exists():
        place.write_bytes(files("xray_gate").joinpath("data/demo/calibration.json").read_bytes())


def seeds() -> Mapping[str, bytes]:
    """The policies that are shipped, and one with everything that they leave out."""
    data = files("xray_gate").joinpath("data")
    found = {path.name: path.read_bytes() for path in sorted(_SHIPPED.glob("*.yaml"))}
    found["default"] = data.joinpath("default.yaml").read_bytes()
    found["demo"] = data.joinpath("demo/policy.yaml").read_bytes()
    everything = policy_document(
        decision={"rule": "weighted", "weights": {"model_xray": 1.0}, "threshold": 0.5},
        training_data={"from": "model_run"},
        preprocessing={"mean": [0.5], "std": [0.5], "size": [8, 8]},
        class_names=["a", "b"],
        max_age_days=30,
        limits={"seconds": 5.0},
    )
    everything["detectors"] |= {
        "trigger_sweep": {"families": ["patch"], "queries": 8000},
        "dtinspector": {"only_near": {"detectors": ["trigger_sweep"]}},
        "others": {
            "mine": {
                "mode": "optional",
                "parameters": {"a": [1, {"b": None}]},
                "thresholds": [
                    {"statistic": "a.b", "bound": 1, "suspicious": "above", "source": "us"}
                ],
            }
        },
    }
    found["everything"] = yaml.safe_dump(everything).encode()
    found["anchors"] = yaml.safe_dump(policy_document()).encode() + (
        b"preprocessing: &a {scale: 1.0}\nlimits: {<<: {seconds: 5}}\n"
    )
    return found


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree, or other bytes where aliases would be lost."""
    if choose(3) and b"*" not in data and b"<<" not in data:
        with suppress(Exception):
            words = [word.decode().strip(": ") for word in WORDS]
            tree = changed_tree(yaml.safe_load(data), choose, words)
            return yaml.safe_dump(tree, sort_keys=False).encode()
    if choose(2):
        word = WORDS[choose(len(WORDS))]
        at = choose(len(data) + 1)
        return data[:at] + word + b" " + data[at:]
    return changed_bytes(data, choose)
