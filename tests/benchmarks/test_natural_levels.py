import json
from pathlib import Path

import pytest

from benchmarks import natural_levels
from benchmarks.natural_levels import allowances
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES

LEVELS = json.loads(Path(natural_levels.__file__).with_suffix(".json").read_text())
FLAT = [model for model in LEVELS if model.startswith("mnist")]


@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_the_allowances_follow_from_the_measured_levels(name: str) -> None:
    stated = [[r.to_one, r.anywhere, r.from_one] for r in ALL_FAMILIES[name].rungs]
    assert stated == allowances(LEVELS, FLAT)[name]


def one_model(level: float) -> dict[str, dict[str, list[float | None]]]:
    rungs = {
        f"{name} {rung.dose:.4f}": [level, level, None]
        for name, family in ALL_FAMILIES.items()
        for rung in family.rungs
    }
    return {"model": rungs}


@pytest.mark.parametrize(
    ("level", "row"),
    [(0.0, [0.25, 0.35, 0.6]), (0.42, [0.55, 0.55, 0.6]), (0.6, [1.0, 1.0, 0.6])],
)
def test_a_margin_a_least_and_a_rung_that_is_not_judged(level: float, row: list[float]) -> None:
    assert allowances(one_model(level), [])["patch"][0] == row


def test_flat_images_do_not_count_for_families_that_leave_them_out() -> None:
    found = allowances(one_model(0.5), ["model"])
    assert found["patch"][0][0] == 0.6
    assert found["noise_blend"][0][0] == 0.25


def test_one_model_in_twenty_five_may_lie_above() -> None:
    calm = {f"calm {number}": one_model(0.2)["model"] for number in range(23)}
    found = allowances({**calm, "first": one_model(0.4)["model"]}, [])
    assert found["patch"][0][0] == 0.5
    found = allowances(
        {**calm, "first": one_model(0.4)["model"], "second": one_model(0.5)["model"]}, []
    )
    assert found["patch"][0][0] == 0.5


def test_models_without_levels_of_a_family_do_not_count_for_it() -> None:
    levels = one_model(0.3)
    levels["other"] = {"warp 0.0078": [0.5, 0.5, 0.5]}
    found = allowances(levels, [])
    assert found["patch"][0][0] == 0.4
    assert found["warp"][0][0] == 0.6


def test_an_allowance_never_falls_with_the_dose() -> None:
    levels = one_model(0.1)
    levels["model"]["warp 0.0078"] = [0.5, 0.5, 0.5]
    assert [row[0] for row in allowances(levels, [])["warp"]] == [0.6] * 4
