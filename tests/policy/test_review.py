import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import calibrated, calibration, fixed, labelled, policy
from xray_gate.policy.calibration import Calibration
from xray_gate.policy.detector_specs import FAMILIES
from xray_gate.policy.files import Policy
from xray_gate.policy.review import findings

SOUND = calibrated()


def sound(probes: Path, thresholds: Any = SOUND, references: int = 19, **changes: Any) -> Policy:
    probes.touch()
    kept = calibration(range(references)) if isinstance(thresholds, dict) else None
    settings = {"trigger_sweep": {}, **changes}
    return Policy(policy(thresholds, kept, **settings).document, kept, probes)


def test_a_sound_policy_has_no_findings(tmp_path: Path) -> None:
    assert findings(sound(tmp_path / "p.npz")) == []


@pytest.mark.parametrize(
    "detectors",
    [
        {"trigger_sweep": {}},
        {"trigger_sweep": {}, "model_xray": {"mode": "optional"}},
        {"trigger_sweep": {}, "model_xray": {"mode": "off"}},
        {"trigger_sweep": {}, "model_xray": {"mode": "off", "thresholds": [fixed(1.0)]}},
        {"trigger_sweep": {"families": list(FAMILIES), "level": 1e-4}},
    ],
)
def test_a_sweep_that_decides_alone_is_sound(detectors: dict[str, Any], tmp_path: Path) -> None:
    assert findings(sound(tmp_path / "p.npz", None, detectors=detectors)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"enforcement": "audit"}, "enforcement is audit, so .* admitted; set it to enforce"),
        ({"enforcement": "warn"}, "enforcement is warn, so .* admitted; set it to enforce"),
        ({"unsafe_allow_unscanned_reads": True}, "before any verdict; remove it"),
        (
            {"isolation": {"unsafe_pickled_in_process": True}},
            "unsafe_pickled_in_process opens models .* without isolation; remove it",
        ),
        ({"unsafe_unchecked_code": True}, "bring code nobody can check .*; remove it, and have"),
        *(
            ({"promotion": {"free_aliases": [glob]}}, "covers champion or production; name the")
            for glob in ("*", "?*", "CHAMP*", "prod*")
        ),
        ({"min_probe_accuracy": 0.0}, "min_probe_accuracy is 0, so .* goes unnoticed; raise it"),
        ({"promotion": {"copies": False}}, "copies need no verdict before .*; remove it"),
        ({"promotion": {"copies": ["prod*"]}}, "copies need no verdict before .*; remove it"),
        ({"promotion": {"stages": []}}, "no stage counts as a promotion; add Staging"),
        (
            {"promotion": {"stages": ["Production"]}},
            "versions reach the stage Staging without any verdict .*; add it",
        ),
        ({"thresholds": None}, "is required and has no thresholds, so nothing can pass; make it"),
        (
            {"thresholds": [fixed(1.0)], "model_xray": {"mode": "optional"}},
            "numbers without a calibration; .*, so calibrate",
        ),
        (
            {"references": 18, "model_xray": {"mode": "optional"}},
            r"small: family .* \(clean_0, clean_1, \.\.\.\) has 18 clean .* takes 19; ",
        ),
        *(
            ({"trigger_sweep": {"mode": mode}}, "trigger_sweep is not required, .* to required")
            for mode in ("optional", "off")
        ),
        (
            {"trigger_sweep": {"families": [f for f in FAMILIES if f not in ("patch", "warp")]}},
            "does not look for patch, warp; remove `families`, or name these as well",
        ),
        ({"trigger_sweep": {"level": 1e-5}}, r"level is 1e-05, .*; raise it, 0\.01 is usual"),
        ({"thresholds": [fixed(1.0)]}, "numbers without a calibration; .*, so calibrate"),
        (
            {"references": 18},
            r"small: family .* has 18 clean references, and level 0\.05 for 1 score takes 19; ",
        ),
        (
            {"thresholds": calibrated("ats.valid", "ats.unclipped"), "references": 38},
            r"has 38 clean references, and level 0\.05 for 2 scores takes 39; calibrate on more",
        ),
        (
            {"thresholds": calibrated(suspicious={"renyi_entropy.valid": "both"})},
            r"has 19 clean .* for 1 score, on both sides takes 39; calibrate on more",
        ),
        (
            {"thresholds": calibrated(unsafe_any_architecture=True)},
            "judges models unlike the references; remove it",
        ),
        ({"match": None}, "no `match`, so a registry never uses this policy; add"),
    ],
)
def test_what_weakens_a_policy_is_found_with_its_remedy(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (found,) = findings(sound(tmp_path / "p.npz", **changes))
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("settings", "document", "said"),
    [
        ({}, {}, "about 16 minutes .* limits.seconds is 600; raise it, or lower iterations"),
        ({}, {"classes": 43}, "may ask 41.7 million queries of a model with 43 labels, about 69"),
        ({"iterations": 1000, "batch": 64}, {"limits": {"seconds": 3600}}, "64.6 million queries"),
    ],
)
def test_too_little_time_for_b3d_is_found(
    settings: dict[str, Any], document: dict[str, Any], said: str, tmp_path: Path
) -> None:
    detectors = {"trigger_sweep": {}, "b3d": settings}
    (found,) = findings(sound(tmp_path / "p.npz", None, detectors=detectors, **document))
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("settings", "seconds"), [({}, 1200), ({"mode": "off"}, 600), ({"iterations": 100}, 600)]
)
def test_enough_time_for_b3d_is_sound(
    settings: dict[str, Any], seconds: float, tmp_path: Path
) -> None:
    detectors = {"trigger_sweep": {}, "b3d": settings}
    limits = {"seconds": seconds}
    assert findings(sound(tmp_path / "p.npz", None, detectors=detectors, limits=limits)) == []


WEIGHTED = {"rule": "weighted", "threshold": 0.5}
LOOK = {"seconds": 1200}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"decision": {"rule": "all"}},
            ["decision.rule is all, so .* undecided .*; set it to any"],
        ),
        (
            {"decision": {"rule": "all", "unsafe_pass_if_outvoted": True}},
            ["decision.rule is all", "lets a version pass although a detector suspects it; remove"],
        ),
        (
            {"decision": {**WEIGHTED, "weights": {"trigger_sweep": 1}}},
            ["decision.rule is weighted", "b3d has no weight, .* never fails a version; add it to"],
        ),
        (
            {"decision": {**WEIGHTED, "weights": {"trigger_sweep": 1, "b3d": 1}}},
            ["decision.rule is weighted"],
        ),
        ({"b3d": {"only_near": {"detectors": ["trigger_sweep"]}}}, []),
        (
            {"b3d": {"only_near": {"detectors": ["trigger_sweep"], "factor": 99}}},
            [],
        ),
        (
            {"b3d": {"only_near": {"detectors": ["trigger_sweep"], "factor": 100}}},
            ["b3d.only_near.factor is 100, and trigger_sweep's level .* always runs; lower it, 10"],
        ),
        (
            {"b3d": {"only_near": {"detectors": ["model_xray"]}}},
            ["b3d runs near model_xray, which has no calibrated thresholds .* calibrate model_x"],
        ),
        ({"b3d": {"mode": "off", "only_near": {"detectors": ["model_xray"]}}}, []),
    ],
)
def test_a_rule_or_an_escalation_that_weakens_or_does_nothing_is_found(
    changes: dict[str, Any], said: list[str], tmp_path: Path
) -> None:
    b3d = changes.pop("b3d", {})
    detectors = {"trigger_sweep": {}, "model_xray": {"mode": "optional"}, "b3d": b3d}
    rules = sound(tmp_path / "p.npz", None, detectors=detectors, limits=LOOK, **changes)
    found = findings(rules)
    assert len(found) == len(said), found
    for text, expected in zip(found, said, strict=True):
        assert re.search(expected, text), text


@pytest.mark.parametrize(("factor", "count"), [(19, 0), (20, 1)])
def test_the_level_of_a_calibrated_x_ray_counts(factor: float, count: int, tmp_path: Path) -> None:
    near = {"detectors": ["model_xray"], "factor": factor}
    detectors = {
        "trigger_sweep": {},
        "model_xray": {"size": 10, "planes": 2, "thresholds": SOUND},
        "b3d": {"only_near": near},
    }
    found = findings(sound(tmp_path / "p.npz", detectors=detectors, limits=LOOK))
    assert len(found) == count, found


def test_missing_probes_are_found(tmp_path: Path) -> None:
    named = sound(tmp_path / "p.npz")
    (tmp_path / "p.npz").unlink()
    assert findings(named) == [f"the probes {tmp_path / 'p.npz'} do not exist here; check the path"]
    none = Policy(named.document, named.calibration, None)
    assert findings(none) == [
        "there are no `probes`, so a runner cannot scan; add the path of clean samples"
    ]


@pytest.mark.parametrize(
    ("mode", "named", "said"),
    [
        ("required", {"from": "model_run"}, "whatever the registrant logged, .*; name their path"),
        ("optional", {"from": "model_run"}, None),
        ("required", "p.npz", None),
        ("optional", "gone.npz", "the training data .*gone.npz do not exist here; check the path"),
        ("required", None, "a runner leaves every version undecided; add their path, or make"),
        ("optional", None, None),
        ("off", None, None),
    ],
)
def test_training_data_that_are_missing_or_the_registrants_are_found(
    mode: str, named: Any, said: str | None, tmp_path: Path
) -> None:
    detectors = {"trigger_sweep": {}, "dtinspector": {"mode": mode}}
    rules = sound(tmp_path / "p.npz", None, detectors=detectors, training_data=named)
    path = tmp_path / named if isinstance(named, str) else None
    found = findings(replace(rules, training_data=path))
    assert len(found) == (said is not None), found
    assert said is None or re.search(said, found[0])


def test_a_policy_without_a_sweep_is_found(tmp_path: Path) -> None:
    xray = {"thresholds": SOUND, "size": 10, "planes": 2}
    (found,) = findings(sound(tmp_path / "p.npz", detectors={"model_xray": xray}))
    assert found.startswith("trigger_sweep is not required, so versions pass on the word of")


def test_every_finding_is_reported(tmp_path: Path) -> None:
    found = findings(
        sound(tmp_path / "p.npz", None, enforcement="audit", unsafe_allow_unscanned_reads=True)
    )
    assert len(found) == 3


def reviewed(tmp_path: Path, kept: Calibration, **thresholds: Any) -> list[str]:
    rules = sound(tmp_path / "p.npz", calibrated(**thresholds))
    return findings(Policy(rules.document, kept, rules.probes))


def test_a_family_with_too_few_references_is_found_beside_one_with_enough(tmp_path: Path) -> None:
    references = calibration(range(22)).references
    few = [item.model_copy(update={"architecture": "sha256:kind-b"}) for item in references[19:]]
    kept = calibration().model_copy(update={"references": [*references[:19], *few]})
    (found,) = reviewed(tmp_path, kept)
    assert found == (
        "small: family sha256:kind-b (clean_19, clean_20, ...) has 3 clean references, and level "
        "0.05 for 1 score takes 19; calibrate on more clean models of this family"
    )
    assert len(reviewed(tmp_path, kept, unsafe_any_architecture=True)) == 1


def test_references_that_show_no_architecture_are_found(tmp_path: Path) -> None:
    references = calibration().references
    unknown = [item.model_copy(update={"architecture": None}) for item in references]
    (found,) = reviewed(tmp_path, calibration().model_copy(update={"references": unknown}))
    assert "unknown family (clean_0, clean_1, ...) does not show its architecture" in found


def test_thresholds_by_f1_are_found_with_what_they_refuse(tmp_path: Path) -> None:
    kept = labelled([3.0, 5.0, 7.0, 9.0], {"badnets": [1.0, 2.0], "wanet": [1.0, 4.0]})
    assert reviewed(tmp_path, kept, method="f1") == [
        "model_xray's thresholds have the highest F1 on labelled references (Eq. 6) and promise no "
        "false-positive rate; family sha256:kind-a (clean_0, clean_1, ...): 1 of the 4 clean "
        "references refused (25.0 %, 95 % interval 0.6 to 80.6 %), although they were chosen on "
        "them; set thresholds.method to conformal"
    ]
    (found,) = reviewed(tmp_path, calibration(), method="f1")
    assert "has no backdoored references, and method f1 takes both; add backdoored" in found


def test_a_calibration_without_the_judged_score_is_found(tmp_path: Path) -> None:
    kept = calibration()
    bare = [item.model_copy(update={"scores": {"ats.valid": 0.2}}) for item in kept.references]
    assert reviewed(tmp_path, kept.model_copy(update={"references": bare})) == [
        "small has no scores for renyi_entropy.valid, so model_xray cannot tell; calibrate anew "
        "with this policy"
    ]


def test_nothing_is_near_a_threshold_by_f1(tmp_path: Path) -> None:
    xray = {"size": 10, "planes": 2, "thresholds": calibrated(method="f1")}
    near = {"only_near": {"detectors": ["model_xray"]}}
    detectors = {"trigger_sweep": {}, "model_xray": xray, "b3d": near}
    rules = sound(tmp_path / "p.npz", detectors=detectors, limits=LOOK)
    found = findings(Policy(rules.document, labelled([2.0], {"a": [1.0]}), rules.probes))
    assert len(found) == 2
    assert "model_xray, which has no calibrated thresholds at a level, so that b3d" in found[1]
