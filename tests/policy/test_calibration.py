from typing import Any

import pytest

from tests.policy.builders import (
    ARCHITECTURE,
    calibrated,
    calibration,
    evidence,
    labelled,
    policy,
    xray,
)
from xray_gate.policy.calibration import (
    Calibration,
    Reference,
    differences,
    families,
    family_text,
    measured_settings,
    other_versions,
)
from xray_gate.policy.files import Policy


def test_a_scan_made_as_its_calibration_differs_in_nothing() -> None:
    assert differences(calibration().settings, measured_settings(evidence(), xray())) == []


@pytest.mark.parametrize(
    ("recorded", "measured", "said"),
    [
        ({"seed": 3}, {"seed": 4}, ["seed is 4, the calibration's 3"]),
        (
            {"parameters": {"eta": 5.0, "size": 10}},
            {"parameters": {"eta": 2.0, "planes": None}},
            [
                "parameters.eta is 2.0, the calibration's 5.0",
                "parameters.planes is None, and the calibration has none",
                "parameters.size is missing, the calibration's is 10",
            ],
        ),
        (
            {"preprocessing": {"scale": 1.0}},
            {"preprocessing": None},
            ["preprocessing is None, the calibration's {'scale': 1.0}"],
        ),
    ],
)
def test_differences_name_the_setting_and_both_values(
    recorded: dict[str, Any], measured: dict[str, Any], said: list[str]
) -> None:
    assert differences(recorded, measured) == said


@pytest.mark.parametrize("value", [True, None, "sobol", 0.05, {"rule": "sprt", "error": 0.01}])
def test_a_parameter_that_nobody_knows_yet_is_named_on_whichever_side_it_is(value: Any) -> None:
    """Rules of sampling or stopping that are still to come are compared without a change here."""
    known = calibration()
    newer = {**known.parameters, "stopping": value}
    scan = measured_settings(evidence(), xray(parameters=newer))
    assert differences(known.settings, scan) == [
        f"parameters.stopping is {value!r}, and the calibration has none"
    ]
    kept = calibration(parameters=newer)
    assert differences(kept.settings, measured_settings(evidence(), xray())) == [
        f"parameters.stopping is missing, the calibration's is {value!r}"
    ]
    assert differences(kept.settings, scan) == []


def test_the_title_says_how_many_references_from_when() -> None:
    assert calibration().title() == "small (19 clean references, 2026-11-21)"
    both = labelled([1.0, 2.0], {"badnets": [0.1], "wanet": [0.2, 0.3]})
    assert both.title() == "small (2 clean and 3 backdoored references, 2026-11-21)"


def test_a_file_of_clean_references_alone_is_as_it_was_before_there_were_groups() -> None:
    """An older version's policies keep their digests, and its files stay readable."""
    kept = calibration([1.0])
    (reference,) = kept.model_dump(mode="json")["references"]
    assert set(reference) == {"name", "digest", "architecture", "probe_accuracy", "scores"}
    assert Calibration.model_validate_json(kept.model_dump_json()) == kept
    assert kept.clean == kept.references


def test_groups_and_environment_survive_the_file() -> None:
    kept = labelled([1.0], {"badnets": [0.5]}, environment={"numpy": "2.3.0"})
    read = Calibration.model_validate_json(kept.model_dump_json())
    assert read == kept
    assert [(item.group, item.environment) for item in read.references] == [
        (None, {"numpy": "2.3.0"}),
        ("badnets", {"numpy": "2.3.0"}),
    ]
    assert [item.name for item in read.clean] == ["clean_0"]


def test_the_policys_digest_depends_on_the_groups() -> None:
    digests = {
        Policy(policy(calibrated()).document, kept, None).digest
        for kept in (calibration([1.0, 2.0]), labelled([1.0], {"a": [2.0]}), labelled([1.0], {}))
    }
    assert len(digests) == 3


def test_a_family_is_the_models_of_one_architecture() -> None:
    kept = calibration(range(4)).references
    other = [item.model_copy(update={"architecture": "sha256:other"}) for item in kept[2:]]
    assert families([*kept[:2], *other]) == {ARCHITECTURE: kept[:2], "sha256:other": other}
    assert family_text(kept) == "family sha256:kind-a (clean_0, clean_1, ...)"
    assert family_text(kept[:1]) == "family sha256:kind-a (clean_0)"
    unknown = Reference.model_validate(kept[0].model_dump() | {"architecture": None})
    assert family_text([unknown]) == "unknown family (clean_0)"


@pytest.mark.parametrize(
    ("recorded", "scan", "said"),
    [
        ({}, {"xray_gate": "0.1.0", "numpy": "2.3.0"}, []),
        ({}, {"xray_gate": "0.2.0"}, ["xray_gate 0.2.0, the references 0.1.0"]),
        ({"numpy": "2.3.0", "torch": "2.9"}, {"numpy": "2.3.0"}, []),
        (
            {"numpy": "2.3.0", "device": "cuda", "onnxruntime": "1.23"},
            {"numpy": "2.4.0", "device": "cpu", "onnxruntime": "1.23", "threads": "4"},
            ["numpy 2.4.0, the references 2.3.0", "device cpu, the references cuda"],
        ),
    ],
)
def test_other_versions_are_named(
    recorded: dict[str, str], scan: dict[str, str], said: list[str]
) -> None:
    kept = labelled([1.0, 2.0], {}, environment=recorded)
    assert other_versions(kept, evidence(environment=scan)) == said


@pytest.mark.parametrize("environment", [None, [], {"numpy": 2}, {"numpy": None}])
def test_an_environment_that_says_nothing_is_no_difference(environment: Any) -> None:
    kept = labelled([1.0], {}, environment={"numpy": "2.3.0"})
    assert other_versions(kept, evidence(environment=environment)) == []
