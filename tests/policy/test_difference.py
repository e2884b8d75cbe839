"""What a change of a policy means."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.evidence import make_policy
from xray_gate.policy.difference import Change, difference
from xray_gate.policy.effects import _RULES, Effect
from xray_gate.policy.files import PolicySet
from xray_gate.policy.settings_tree import settings_of

SWEEP: dict[str, Any] = {"trigger_sweep": {}}
REQUIRED: dict[str, Any] = {"model_xray": {"mode": "optional"}, **SWEEP}
SAMPLES = f"sha256:{'0f' * 32}"
W, S, N = Effect.WEAKER, Effect.STRICTER, Effect.OTHER


def changes(tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    old = make_policy(tmp_path / "old", **before)
    new = make_policy(tmp_path / "new", **after)
    found = difference(PolicySet((old,)), PolicySet((new,)))
    assert len(found) <= 1
    return [change for one in found for change in one.changes]


def effects(tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Effect]:
    return {change.path: change.effect for change in changes(tmp_path, before, after)}


def sweep(**settings: Any) -> dict[str, Any]:
    return {"detectors": {"trigger_sweep": settings}}


def xray(*bounds: tuple[str, float], side: str = "below") -> dict[str, Any]:
    thresholds = [
        {"statistic": name, "bound": bound, "suspicious": side, "source": "a test"}
        for name, bound in bounds
    ]
    return {"detectors": {"model_xray": {"thresholds": thresholds}, **SWEEP}}


RE, ATS = "renyi_entropy.unclipped", "ats.unclipped"

# Before, after, the setting that changes, and what the change does; the other way round it does
# the opposite.
CASES: list[tuple[dict[str, Any], dict[str, Any], str, Effect]] = [
    ({}, {"enforcement": "audit"}, "enforcement", W),
    ({"enforcement": "warn"}, {"enforcement": "audit"}, "enforcement", N),
    (sweep(level=0.01), sweep(level=0.001), "detectors.trigger_sweep.level", W),
    (sweep(), sweep(queries=8_000), "detectors.trigger_sweep.queries", W),
    (sweep(), sweep(families=["patch"]), "detectors.trigger_sweep.families", W),
    (
        sweep(families=["patch"]),
        sweep(families=["warp"]),
        "detectors.trigger_sweep.families",
        N,
    ),
    (sweep(), sweep(against_champion=False), "detectors.trigger_sweep.against_champion", W),
    ({"detectors": REQUIRED}, {"detectors": SWEEP}, "detectors.model_xray.mode", W),
    (
        {"detectors": {**REQUIRED, "model_xray": {}}},
        {"detectors": REQUIRED},
        "detectors.model_xray.mode",
        W,
    ),
    (xray((RE, 1.0)), xray((RE, 0.5)), f"detectors.model_xray.thresholds.{RE}", W),
    (
        xray((RE, 1.0), side="above"),
        xray((RE, 1.5), side="above"),
        f"detectors.model_xray.thresholds.{RE}",
        W,
    ),
    (xray((RE, 1.0), (ATS, 0.5)), xray((RE, 1.0)), f"detectors.model_xray.thresholds.{ATS}", W),
    (
        {"detectors": {**SWEEP, "b3d": {"mode": "optional"}}},
        {"detectors": {**SWEEP, "b3d": {"mode": "optional", "index": 3.0}}},
        "detectors.b3d.index",
        W,
    ),
    (
        {"detectors": {**SWEEP, "b3d": {}}},
        {"detectors": {**SWEEP, "b3d": {"only_near": {"detectors": ["trigger_sweep"]}}}},
        "detectors.b3d.only_near.detectors",
        W,
    ),
    ({"min_probe_accuracy": 0.7}, {}, "min_probe_accuracy", W),
    ({"max_age_days": 30}, {}, "max_age_days", W),
    ({"max_age_days": 30}, {"max_age_days": 60}, "max_age_days", W),
    ({}, {"same_bytes": "verify"}, "same_bytes", W),
    (
        {"isolation": {"pickled": "bubblewrap"}},
        {},
        "isolation.pickled",
        W,
    ),
    (
        {},
        {"isolation": {"unsafe_pickled_in_process": True}},
        "isolation.unsafe_pickled_in_process",
        W,
    ),
    ({}, {"unsafe_unchecked_code": True}, "unsafe_unchecked_code", W),
    ({}, {"unsafe_allow_unscanned_reads": True}, "unsafe_allow_unscanned_reads", W),
    ({}, {"promotion": {"free_aliases": ["candidate"]}}, "promotion.free_aliases", W),
    ({}, {"promotion": {"stages": ["Production"]}}, "promotion.stages", W),
    (
        {"promotion": {"free_aliases": ["dev"]}},
        {"promotion": {"free_aliases": ["d*"]}},
        "promotion.free_aliases",
        W,
    ),
    ({}, {"promotion": {"copies": False}}, "promotion.copies", W),
    (
        {"promotion": {"copies": ["prod-*"]}},
        {"promotion": {"copies": ["prod-a"]}},
        "promotion.copies",
        W,
    ),
    ({}, {"promotion": {"copies": ["prod-*"]}}, "promotion.copies", W),
    (
        {"promotion": {"copies": ["prod-*"]}},
        {"promotion": {"copies": False}},
        "promotion.copies",
        W,
    ),
    (
        {"promotion": {"copies": ["a", "b"]}},
        {"promotion": {"copies": ["a"]}},
        "promotion.copies",
        W,
    ),
    ({"promotion": {"copies": ["a"]}}, {"promotion": {"copies": ["b"]}}, "promotion.copies", N),
    ({"formats": ["onnx"]}, {}, "formats", W),
    ({"formats": ["onnx"]}, {"formats": ["pt2"]}, "formats", N),
    ({"probes": {"uri": "p.npz", "digest": SAMPLES}}, {"probes": "p.npz"}, "probes.digest", W),
    ({}, {"decision": {"rule": "all"}}, "decision.rule", W),
    ({}, {"limits": {"files_mb": 20_000}}, "limits.files_mb", W),
    ({}, {"limits": {"seconds": 60.0}}, "limits.seconds", N),
    ({}, {"description": "other words"}, "description", N),
    ({}, {"training_data": {"from": "model_run"}}, "training_data.from", W),
]
_OPPOSITE = {W: S, N: N}


@pytest.mark.parametrize(("before", "after", "path", "effect"), CASES)
def test_a_change_says_what_it_does(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], path: str, effect: Effect
) -> None:
    assert effects(tmp_path, before, after)[path] is effect
    (tmp_path / "back").mkdir()
    assert effects(tmp_path / "back", after, before)[path] is _OPPOSITE[effect]


def test_the_same_policy_written_otherwise_is_no_difference(tmp_path: Path) -> None:
    assert changes(tmp_path, {}, {"enforcement": "enforce", "limits": {"seconds": 600}}) == []


def test_a_detector_that_comes_or_goes_is_one_change(tmp_path: Path) -> None:
    with_b3d = {"detectors": {**SWEEP, "b3d": {"index": 2.5}}}
    (change,) = changes(tmp_path, {"detectors": SWEEP}, with_b3d)
    assert str(change) == "detectors.b3d.mode: off -> required"


def test_a_plug_in_that_goes_is_weaker(tmp_path: Path) -> None:
    other = {"mode": "optional", "parameters": {"depth": 3}}
    (change,) = changes(
        tmp_path, {"detectors": {**SWEEP, "others": {"mine": other}}}, {"detectors": SWEEP}
    )
    assert (str(change), change.effect) == ("detectors.others.mine.mode: optional -> (not set)", W)


def test_what_is_weaker_comes_first(tmp_path: Path) -> None:
    after = {**sweep(level=0.05), "enforcement": "audit", "description": "x"}
    found = changes(tmp_path, sweep(), after)
    assert [change.effect for change in found] == [W, S, N]


def test_policies_that_come_and_go_are_told(tmp_path: Path) -> None:
    old, new = make_policy(tmp_path, "old"), make_policy(tmp_path, "new")
    first, second = difference(PolicySet((old,)), PolicySet((new,)))
    assert (first.name, first.before, first.after) == ("new", None, new.digest)
    assert (second.name, second.before, second.after) == ("old", old.digest, None)
    # Whatever it was called before, it is compared with nothing.
    assert first.weakens
    assert not second.weakens


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (["signs*"], ["*"], W),
        (["signs*"], ["signs*", "cats"], W),
        (["signs*"], ["cats*"], W),
        (["sign?"], ["sign*"], W),
        (["*a*"], ["[ab]"], W),
        (["*"], ["signs*"], N),
        (["signs*"], ["signs-?-*", "Signs"], N),
        (["signs*", "cats"], ["cats"], N),
    ],
)
def test_names_that_a_policy_gets_are_weaker(
    tmp_path: Path, before: list[str], after: list[str], effect: Effect
) -> None:
    old, new = ({"match": {"registered_models": globs}} for globs in (before, after))
    (change,) = changes(tmp_path, old, new)
    assert (change.path, change.effect) == ("match.registered_models", effect)


def matched(**more: Any) -> dict[str, Any]:
    return {"match": {"registered_models": ["signs*"], **more}}


@pytest.mark.parametrize(
    ("narrow", "wide", "path"),
    [
        (matched(tags={"tier": "gold"}), matched(), "match.tags.tier"),
        (matched(tags={"tier": "gold"}), matched(tags={"tier": "*"}), "match.tags.tier"),
        (matched(flavours=["onnx"]), matched(), "match.flavours"),
        (matched(flavours=["onnx"]), matched(flavours=["onnx", "pytorch"]), "match.flavours"),
    ],
)
def test_so_are_models_that_it_gets_by_tags_and_flavours(
    tmp_path: Path, narrow: dict[str, Any], wide: dict[str, Any], path: str
) -> None:
    assert effects(tmp_path, narrow, wide) == {path: W}
    (tmp_path / "back").mkdir()
    assert effects(tmp_path / "back", wide, narrow) == {path: N}


@pytest.mark.parametrize(
    "after",
    [
        {"precedence": -10},
        {"precedence": 20},
        {"precedence": 10, "match": {"registered_models": ["signs-production"]}},
        {"precedence": 10, **matched(tags={"tier": "gold"})},
        {"precedence": 10, **matched(flavours=["onnx"])},
        None,
    ],
)
@pytest.mark.parametrize(("others", "weakens"), [("s*", True), ("cats*", False)])
def test_names_that_go_to_another_policy_are_weaker(
    tmp_path: Path, after: dict[str, Any] | None, others: str, weakens: bool
) -> None:
    """Lowered, narrowed or removed, a strict policy leaves its names to whatever else is there."""
    other = make_policy(
        tmp_path, "other", enforcement="audit", match={"registered_models": [others]}
    )
    before = PolicySet((make_policy(tmp_path, precedence=10), other))
    kept = () if after is None else (make_policy(tmp_path, **after),)
    (found,) = difference(before, PolicySet((*kept, other)))
    assert found.weakens is weakens
    assert found.heirs == (("other",) if weakens else ())


def test_a_policy_for_registered_models_at_last_is_weaker(tmp_path: Path) -> None:
    for_none: dict[str, Any] = {"match": None}
    assert W in effects(tmp_path, for_none, {}).values()
    (tmp_path / "back").mkdir()
    assert W not in effects(tmp_path / "back", {}, for_none).values()


def test_every_rule_is_of_a_setting_that_there_is(tmp_path: Path) -> None:
    """A setting that gets another name must not silently lose its side."""
    everything = yaml.safe_load(
        """
        match: {registered_models: ["*"], tags: {tier: gold}, flavours: [onnx]}
        enforcement: audit
        max_age_days: 3
        exceptions: {most_days: 30}
        break_glass: {minutes: 60}
        training_data: {from: model_run}
        decision: {rule: weighted, threshold: 0.5, weights: {b3d: 1}}
        promotion: {free_aliases: [x]}
        probes: {uri: p.npz}
        detectors:
          trigger_sweep: {}
          model_xray:
            thresholds: [{statistic: renyi_entropy.unclipped, bound: 1, source: x}]
          b3d: {only_near: {detectors: [trigger_sweep]}}
          dtinspector: {}
          others:
            mine: {thresholds: [{statistic: a.b, bound: 1, suspicious: above, source: x}]}
        """
    )
    everything["probes"]["digest"] = SAMPLES
    paths = {*settings_of(make_policy(tmp_path, **everything).document)}
    calibrated = {"detectors.model_xray.thresholds.level", "detectors.b3d.only_near"}
    calibrated.add("exception of-a-file")
    for pattern, _ in _RULES:
        assert any(re.fullmatch(pattern, path) for path in paths | calibrated), pattern
