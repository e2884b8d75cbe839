import re
from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import calibrated, calibration, fixed, policy
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
        *(
            ({"promotion": {"free_aliases": [glob]}}, "covers champion or production; name the")
            for glob in ("*", "?*", "CHAMP*", "prod*")
        ),
        ({"min_probe_accuracy": 0.0}, "min_probe_accuracy is 0, so .* goes unnoticed; raise it"),
        ({"promotion": {"stages": []}}, "no stage counts as a promotion; add Staging"),
        ({"thresholds": None}, "is required and has no thresholds, so nothing can pass; make it"),
        (
            {"thresholds": [fixed(1.0)], "model_xray": {"mode": "optional"}},
            "numbers without a calibration; .*, so calibrate",
        ),
        (
            {"references": 18, "model_xray": {"mode": "optional"}},
            "small has 18 references, .* takes 19; ",
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
        ({"references": 18}, r"small has 18 references, but level 0\.05 over 1 .* takes 19; "),
        (
            {"thresholds": calibrated("ats.valid", "ats.unclipped"), "references": 38},
            r"small has 38 references, but level 0\.05 over 2 .* takes 39; calibrate on more",
        ),
        (
            {"thresholds": calibrated(suspicious={"renyi_entropy.valid": "both"})},
            r"small has 19 references, but level 0\.05 over 1 .* takes 39; calibrate on more",
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


def test_missing_probes_are_found(tmp_path: Path) -> None:
    named = sound(tmp_path / "p.npz")
    (tmp_path / "p.npz").unlink()
    assert findings(named) == [f"the probes {tmp_path / 'p.npz'} do not exist here; check the path"]
    none = Policy(named.document, named.calibration, None)
    assert findings(none) == [
        "there are no `probes`, so a runner cannot scan; add the path of clean samples"
    ]


def test_a_policy_without_a_sweep_is_found(tmp_path: Path) -> None:
    xray = {"thresholds": SOUND, "size": 10, "planes": 2}
    (found,) = findings(sound(tmp_path / "p.npz", detectors={"model_xray": xray}))
    assert found.startswith("trigger_sweep is not required, so versions pass on the word of")


def test_every_finding_is_reported(tmp_path: Path) -> None:
    found = findings(
        sound(tmp_path / "p.npz", None, enforcement="audit", unsafe_allow_unscanned_reads=True)
    )
    assert len(found) == 3
