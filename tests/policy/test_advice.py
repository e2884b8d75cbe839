from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import policy
from xray_gate.policy.advice import advice


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, True),
        ({"formats": ["onnx", "pt2"]}, True),
        ({"formats": ["torchscript"]}, True),
        ({"formats": ["onnx"]}, False),
    ],
)
def test_onnx_alone_is_preferred(changes: dict[str, Any], said: bool) -> None:
    found = advice(policy(**changes))
    assert any("`formats: [onnx]`" in text for text in found) is said


def test_probes_without_a_digest_are_told() -> None:
    rules = policy(formats=["onnx"])
    at_a_path = replace(rules, probes=Path("p.npz"))
    (text,) = advice(at_a_path)
    assert text.startswith("the probes are whatever lies at their path")
    assert advice(rules) == []
    assert advice(replace(at_a_path, probes_digest="sha256:x")) == []
