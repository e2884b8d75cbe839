"""What a policy's `unsafe_` rules admit, and what they do not."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.evidence import backdoored, clean, unscannable
from tests.support.gate import KEPT, Gate, assert_refused
from xray_gate.core.evidence import Evidence

NOT_APPLICABLE = replace(unscannable("it is no classifier"), not_applicable="flavour langchain")


def promote(gate: Gate) -> None:
    gate.store.set_registered_model_alias("signs", "champion", 1)


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        ("unsafe_admit_undecided", unscannable()),
        ("unsafe_admit_undecided", NOT_APPLICABLE),
        ("unsafe_admit_not_applicable", NOT_APPLICABLE),
    ],
)
def test_a_rule_admits_what_is_undecided_while_it_stands(
    gate: Gate, rule: str, evidence: Evidence
) -> None:
    changes: Any = {rule: True}
    gate.set_policy(**changes)
    version = gate.judged(replace(evidence, scan_id="scan-unsafe"))
    assert version.status == "READY"
    assert f"admitted all the same by {rule}" in version.status_message
    assert version.tags["xray_gate.verdict"] == "undecided"
    promote(gate)
    assert gate.store.get_model_version_download_uri("signs", 1) == KEPT
    gate.set_policy()
    with assert_refused("signs/1 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 1)
    with assert_refused("under policy images is undecided"):
        gate.store.set_registered_model_alias("signs", "other", 1)


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        ("unsafe_admit_undecided", backdoored()),
        ("unsafe_admit_not_applicable", backdoored()),
        ("unsafe_admit_not_applicable", unscannable()),
        ("unsafe_admit_not_applicable", replace(clean(), obstacle="it crashed")),
    ],
)
def test_a_rule_admits_nothing_else(gate: Gate, rule: str, evidence: Evidence) -> None:
    changes: Any = {rule: True}
    gate.set_policy(**changes)
    assert gate.judged(replace(evidence, scan_id="scan-safe")).status == "FAILED_REGISTRATION"
    with assert_refused("under policy images is"):
        promote(gate)
    with assert_refused("signs/1 cannot be read"):
        gate.store.get_model_version_download_uri("signs", 1)
