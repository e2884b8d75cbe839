from typing import Any

import pytest

from benchmarks.detector_table import table


def row(**known: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "outcome": "passed",
        "reason": None,
        "suspected": [],
        "statistics": {"p_value": 1.0},
        "queries": 1000,
        "seconds": 2.0,
    }
    model = {"file": "a.onnx", "attack": "badnets", "mapping": "all_to_one"}
    return {**model, **known, "detectors": {"trigger_sweep": found}}


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({"target_label": 0, "target_labels": [0]}, "0"),
        # What was measured before a model could have several.
        ({"target_label": 3}, "3"),
        ({"target_label": None, "target_labels": [0, 7]}, "0, 7"),
        ({"target_label": None, "target_labels": None, "mapping": "all_to_all"}, "all_to_all"),
        ({"target_label": None, "attack": None, "mapping": None}, "-"),
    ],
)
def test_a_line_names_every_target_or_the_rule(known: dict[str, Any], shown: str) -> None:
    line = table([row(**known)])[-1]

    assert line == f"| a | {shown} | trigger_sweep | passed | p 1e+00 | - | 1,000 | 2 |"


def test_results_under_several_policies_stand_in_one_table() -> None:
    other = row(target_label=0)
    skipped = {
        "outcome": "skipped",
        "reason": "needs the model's own training data: none were given; name them",
        "suspected": [],
        "statistics": {},
        "queries": 0,
        "seconds": 0.0,
    }
    other["detectors"] = {"dtinspector": skipped, "model_xray": {**skipped, "reason": "oh; no"}}

    lines = table([other, row(target_label=0)])

    assert [line.split(" | ")[2] for line in lines[2:]] == [
        "model_xray",
        "trigger_sweep",
        "dtinspector",
    ]
    assert lines[-1].split(" | ")[3:5] == ["skipped", "needs the model's own training data"]
