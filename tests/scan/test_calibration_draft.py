import json
from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import calibration, labelled
from xray_gate.core.errors import InputError
from xray_gate.policy.calibration import Calibration
from xray_gate.scan.calibration_draft import CalibrationDraft, write_whole

SETTINGS = {"parameters": {"size": 10, "pixel_ranges": ["valid"]}, "seed": 3}


def draft(folder: Path, **changes: Any) -> CalibrationDraft:
    return CalibrationDraft(folder / "made" / "c.json", {**SETTINGS, **changes})


def test_what_was_kept_is_found_again_by_its_digest(tmp_path: Path) -> None:
    first, second = labelled([1.0], {"badnets": [0.5]}, environment={"numpy": "2.3"}).references
    begun = draft(tmp_path)
    assert begun.read() == {}
    begun.keep(first)
    begun.keep(second)
    later = draft(tmp_path)
    assert later.read() == {first.digest: first, second.digest: second}
    assert later.kept == 2
    third = calibration([1.0, 2.0]).references[1]
    later.keep(third)
    assert set(draft(tmp_path).read()) == {first.digest, second.digest, third.digest}
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["c.json.unfinished.json"]


def test_a_finished_calibration_leaves_nothing_behind(tmp_path: Path) -> None:
    begun = draft(tmp_path)
    begun.remove()
    begun.keep(calibration([1.0]).references[0])
    begun.remove()
    assert list((tmp_path / "made").iterdir()) == []


def test_an_unfinished_calibration_is_none_that_a_policy_could_name(tmp_path: Path) -> None:
    begun = draft(tmp_path)
    begun.keep(calibration([1.0]).references[0])
    with pytest.raises(ValueError, match="calibration-v1"):
        Calibration.model_validate_json(begun.path.read_text())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 4}, "seed is 4, the calibration's 3"),
        ({"stopping": "sprt"}, "stopping is 'sprt', and the calibration has none"),
        (
            {"parameters": {"size": 10, "pixel_ranges": ["unclipped"]}},
            r"parameters.pixel_ranges is \['unclipped'\], the calibration's \['valid'\]",
        ),
        (
            {"xray_gate_version": "0.0.1"},
            "xray_gate_version is '0.0.1', the calibration's '.*'",
        ),
    ],
)
def test_what_was_scored_otherwise_is_neither_used_nor_lost(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    begun = draft(tmp_path)
    begun.keep(calibration([1.0]).references[0])
    before = begun.path.read_text()
    with pytest.raises(
        InputError, match=rf"holds 1 reference\(s\) .* {said}; take the same settings"
    ):
        draft(tmp_path, **changes).read()
    assert begun.path.read_text() == before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", json.dumps({"format": "xray-gate/calibration-v1"}), "\udcff"]
)
def test_a_file_that_is_no_unfinished_calibration_is_refused(content: str, tmp_path: Path) -> None:
    begun = draft(tmp_path)
    begun.path.parent.mkdir()
    begun.path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"does not hold an unfinished calibration .*; remove it"):
        begun.read()


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"c\.json: the calibration cannot be written there"):
        write_whole(tmp_path / "file" / "c.json", "{}")
