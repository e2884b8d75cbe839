import pytest

from tests.report.b3d_builders import b3d_report
from tests.report.builders import answering, decision, evidence, report, unscannable
from tests.report.dtinspector_builders import dtinspector, dtinspector_report
from tests.report.sweep_builders import LIMIT, statistics, sweep, swept_report
from xray_gate.core.evidence import RunState
from xray_gate.core.verdict import Outcome, Verdict
from xray_gate.report.json_v1 import ReportV1
from xray_gate.report.next_steps import next_steps

TOO_FEW = "only 20 probes are classified as labelled, and 24 are needed; give more probes"


def steps(made: dict[str, object]) -> str:
    return " ".join(next_steps(ReportV1.model_validate(made)))


def test_a_failed_sweep_leads_from_the_images_to_the_training_data() -> None:
    said = steps(swept_report())
    places = [
        said.index(words)
        for words in (
            "Do not deploy this model",
            "stamped images in report.html",
            "training images of the suspected label (3)",
            "data whose origin you know",
            "stamp the trigger on samples of your own",
        )
    ]
    assert places == sorted(places)
    assert "calibrate" not in said


def test_a_failed_b3d_leads_the_same_way() -> None:
    said = steps(b3d_report())
    assert "stamped images in report.html" in said
    assert "training images of the suspected label (3)" in said
    assert "stamp the trigger on samples of your own" in said
    assert "calibrate" not in said


def test_a_failed_dtinspector_leads_to_the_training_samples() -> None:
    said = steps(dtinspector_report())
    places = [
        said.index(words)
        for words in (
            "Look at the training samples of the suspected label (3)",
            "`xray-gate cleanse` lists",
            "scan with other seeds",
        )
    ]
    assert places == sorted(places)
    assert "calibrate" not in said
    assert "stamp" not in said


def test_samples_are_listed_only_for_a_label_that_dtinspector_accuses() -> None:
    assert "cleanse" not in steps(dtinspector_report(dtinspector(suspected_labels=())))
    assert "cleanse" not in steps(b3d_report())


def test_a_failed_sweep_without_a_label_sends_to_all_of_them() -> None:
    assert "training images of every label" in steps(swept_report(sweep(suspected_labels=())))


def test_only_detectors_that_failed_accuse_a_label() -> None:
    assert evidence().detectors[0].suspected_labels[0].label == 3
    found = sweep(suspected_labels=())
    assert "suspected label" not in steps(swept_report(found))


def test_another_detector_points_to_its_thresholds() -> None:
    said = steps(report())
    assert "training samples of the suspected label (3)" in said
    assert "calibrate the thresholds" in said
    assert "stamped images" not in said


def test_too_few_probes_ask_for_more() -> None:
    found = sweep(state=RunState.INCONCLUSIVE, reason=TOO_FEW, statistics={})
    said = steps(swept_report(found, Outcome.INCONCLUSIVE))
    assert "Give more probes: 200 samples, of which the model gets 78% right" in said


def test_another_obstacle_of_the_sweep_does_not() -> None:
    reason = "a model that predicts one label only; check the preprocessing"
    found = sweep(state=RunState.INCONCLUSIVE, reason=reason, statistics={})
    assert "Give more probes" not in steps(swept_report(found, Outcome.INCONCLUSIVE))


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_a_pass_points_to_what_it_excludes_where_that_was_measured(limit: object) -> None:
    found = sweep(statistics=statistics(detection_limit=limit))
    said = steps(swept_report(found, Outcome.PASSED))
    assert ("what this pass excludes" in said) == (limit is not None)


def test_a_model_that_could_not_be_scanned_is_no_pass() -> None:
    assert steps(unscannable()).startswith("This is not a pass")


def test_other_answers_in_other_company_send_to_the_models_origin() -> None:
    undecided = decision(verdict=Verdict.UNDECIDED)
    found = evidence(obstacle="it answers differently", answers=answering((100, 0, 0), (32, 5, 1)))
    said = steps(report(found, undecided))
    assert "Ask where the model comes from" in said
    assert "evaluation mode" in said
    rounded = evidence(obstacle="it died", answers=answering((100, 1, 1), (32, 5, 5)))
    assert "Ask where the model comes from" not in steps(report(rounded, undecided))
