from typing import Any

import pytest
from pydantic import ValidationError

from tests.policy.builders import calibrated, fixed, policy
from xray_gate.policy.files import Policy
from xray_gate.policy.xray_thresholds import FixedBound

ENTROPY = "renyi_entropy.valid"


def test_conformal_is_the_method_of_a_policy_that_names_none() -> None:
    said = policy(calibrated(method="conformal"))
    assert said.digest == policy(calibrated()).digest
    thresholds = said.to_json()["document"]["detectors"]["model_xray"]["thresholds"]
    assert set(thresholds) == {
        "calibration",
        "level",
        "statistics",
        "suspicious",
        "unsafe_any_architecture",
    }


def test_another_method_is_another_policy() -> None:
    assert policy(calibrated(method="f1")).digest != policy(calibrated()).digest


@pytest.mark.parametrize("method", ["f1", "conformal"])
def test_a_policy_by_either_method_survives_its_json(method: str) -> None:
    before = policy(calibrated(method=method))
    after = Policy.from_json(before.to_json())
    assert after == before
    assert after.digest == before.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "f1", "level": 0.05}, "a level says nothing; remove `level`, or set method"),
        ({"method": "f1", "suspicious": {ENTROPY: "both"}}, "f1 judges one side; set `suspicious`"),
        ({"method": "youden"}, "Input should be 'conformal' or 'f1'"),
        (
            {"statistics": ["entropy.valid"]},
            "is no statistic; write one of renyi_entropy.",
        ),
        (
            {"suspicious": {"entropy.valid": "below"}},
            "is no statistic; write one of renyi_entropy.",
        ),
    ],
)
def test_what_a_method_cannot_do_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        policy(calibrated(**changes))


def test_a_fixed_bound_is_for_a_known_statistic_too() -> None:
    with pytest.raises(ValidationError, match="is no statistic; write one of renyi_entropy"):
        policy([fixed(1.0, statistic="ats.clipped")])


@pytest.mark.parametrize(
    ("statistic", "usual"),
    [
        ("renyi_entropy.valid", "below"),
        ("ats.unclipped", "below"),
        ("largest_share.valid", "above"),
        ("horizon_agreement.valid", "above"),
    ],
)
def test_a_fixed_bound_lies_on_the_statistic_s_usual_side(statistic: str, usual: str) -> None:
    number = {"statistic": statistic, "bound": 0.7, "source": "a paper"}
    assert FixedBound.model_validate(number).suspicious == usual
    assert FixedBound.model_validate({**number, "suspicious": "below"}).suspicious == "below"
    assert FixedBound.model_validate({**number, "suspicious": "above"}).suspicious == "above"
