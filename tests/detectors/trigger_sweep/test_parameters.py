import json
import math
from typing import Any

import pytest

from xray_gate.core.errors import InputError
from xray_gate.detectors.trigger_sweep.detector import TriggerSweep
from xray_gate.detectors.trigger_sweep.families.all_families import ALL_FAMILIES
from xray_gate.detectors.trigger_sweep.parameters import TriggerSweepParameters


def test_by_default_every_family_is_tried_within_the_promised_budget() -> None:
    assert TriggerSweepParameters() == TriggerSweepParameters(tuple(ALL_FAMILIES), 30_000)
    assert TriggerSweep().parameters == {"families": list(ALL_FAMILIES), "queries": 30_000}
    assert TriggerSweep().budget(10) == 30_000


@pytest.mark.parametrize(
    "parameters",
    [
        TriggerSweepParameters(),
        TriggerSweepParameters(("warp", "patch"), 8_000),
        TriggerSweepParameters(("ghost",), 1_000_000),
    ],
)
def test_parameters_survive_json(parameters: TriggerSweepParameters) -> None:
    text = json.dumps(parameters.to_json(), allow_nan=False)
    assert TriggerSweepParameters.from_json(json.loads(text)) == parameters
    assert TriggerSweep.from_json(json.loads(text)).parameters == parameters.to_json()


def test_what_is_left_out_keeps_its_default() -> None:
    assert TriggerSweepParameters.from_json({}) == TriggerSweepParameters()
    assert TriggerSweepParameters.from_json({"queries": 9_000}).families == tuple(ALL_FAMILIES)
    assert TriggerSweepParameters.from_json({"families": ("warp",)}).queries == 30_000


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no parameter 'budget'; use one of families, queries"):
        TriggerSweepParameters.from_json({"queries": 9_000, "budget": 1})


@pytest.mark.parametrize("families", [[], ["patches"], ["patch", "sticker"], ["patch", "patch"]])
def test_families_are_known_ones_each_once(families: list[str]) -> None:
    with pytest.raises(InputError, match=r"families is \[.*\]; name one or more of patch, pixels"):
        TriggerSweepParameters.from_json({"families": families})


@pytest.mark.parametrize("families", ["patch", None, 3, [1], [["patch"]], {"patch": 1}])
def test_families_are_a_list_of_names(families: Any) -> None:
    with pytest.raises(InputError, match=r"trigger_sweep: families is .*; give a list of names"):
        TriggerSweepParameters.from_json({"families": families})


@pytest.mark.parametrize(
    "queries", [0, -1, 7_999, 1_000_001, 30_000.0, True, None, "30000", math.nan, [8_000]]
)
def test_queries_out_of_range_are_refused(queries: Any) -> None:
    with pytest.raises(InputError, match=r"queries is .*; set it to a whole number from 8000 to"):
        TriggerSweepParameters.from_json({"queries": queries})


@pytest.mark.parametrize("queries", [8_000, 1_000_000])
def test_queries_at_the_bounds_are_taken(queries: int) -> None:
    assert TriggerSweep.from_json({"queries": queries}).budget(10) == queries
