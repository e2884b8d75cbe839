import io
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.b3d_builders import reversed_trigger
from tests.report.sweep_builders import shown_trigger
from xray_gate.core.errors import InputError
from xray_gate.probing.trigger_files import read_trigger, trigger_file

reproducible = settings(derandomize=True, max_examples=30, deadline=None)

ARRAYS: dict[str, Any] = {
    "mask": np.full((4, 5), 0.5, np.float32),
    "pattern": np.full((3, 4, 5), 0.5, np.float32),
    "label": np.int64(2),
    "detector": np.str_("b3d"),
    "scan_id": np.str_("scan-1"),
}


@reproducible
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 999))
def test_a_trigger_is_read_as_it_was_written(
    height: int, width: int, channels: int, label: int
) -> None:
    rng = np.random.default_rng(label)
    mask = rng.random((height, width)).astype(np.float32)
    pattern = rng.random((channels, height, width)).astype(np.float32)
    shown = replace(reversed_trigger(), mask=mask, pattern=pattern, label=label)
    made = trigger_file(shown, "scan-1")
    assert made is not None
    name, content = made
    assert name == f"b3d_label_{label}.npz"
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        found = read_trigger(Path(folder) / name)
    assert (found.label, found.detector, found.scan_id) == (label, "b3d", "scan-1")
    np.testing.assert_array_equal(found.mask, mask)
    np.testing.assert_array_equal(found.pattern, pattern)


def test_the_file_holds_plain_arrays_and_the_same_bytes_each_time() -> None:
    made = trigger_file(reversed_trigger(), "scan-1")
    assert made is not None
    assert trigger_file(reversed_trigger(), "scan-1") == made
    with np.load(io.BytesIO(made[1]), allow_pickle=False) as arrays:
        assert sorted(arrays.files) == sorted(ARRAYS)
        assert arrays["mask"].dtype == arrays["pattern"].dtype == np.float32


def test_the_name_of_a_plug_in_leads_nowhere_else() -> None:
    made = trigger_file(replace(reversed_trigger(), detector="../my detector"), "scan-1")
    assert made is not None
    assert made[0] == "___my_detector_label_3.npz"


@pytest.mark.parametrize("missing", ["mask", "pattern", "label"])
def test_a_trigger_that_is_not_described_has_no_file(missing: str) -> None:
    changes: dict[str, Any] = {missing: None}
    assert trigger_file(reversed_trigger(**changes), "scan-1") is None
    assert trigger_file(shown_trigger(), "scan-1") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mask": None}, "holds no array 'mask'"),
        ({"scan_id": None}, "holds no array 'scan_id'"),
        ({"mask": np.zeros((5, 4), np.float32)}, "(5, 4) does not go with a pattern of (3, 4, 5)"),
        ({"mask": np.zeros(4, np.float32)}, "a mask of the shape (4,) does not go"),
        ({"pattern": np.zeros((4, 5), np.float32)}, "with a pattern of (4, 5)"),
        ({"pattern": np.zeros((0, 4, 5), np.float32)}, "`pattern` must hold numbers in [0, 1]"),
        ({"mask": np.full((4, 5), 1.5)}, "`mask` must hold numbers in [0, 1]"),
        ({"mask": np.full((4, 5), -0.1)}, "`mask` must hold numbers in [0, 1]"),
        ({"mask": np.full((4, 5), np.nan)}, "`mask` must hold numbers in [0, 1]"),
        ({"mask": np.ones((4, 5), np.uint8)}, "`mask` must hold numbers in [0, 1]"),
        ({"label": np.int64(-1)}, "`label` is not a whole number, 0 or more"),
        ({"label": np.float64(2)}, "`label` is not a whole number, 0 or more"),
        ({"label": np.array([2])}, "`label` is not a whole number, 0 or more"),
        ({"scan_id": np.int64(2)}, "`scan_id` is no text"),
        ({"detector": np.array(["b3d"])}, "`detector` is no text"),
    ],
)
def test_arrays_that_are_no_trigger_are_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "b3d_label_2.npz"
    kept = {name: value for name, value in (ARRAYS | changes).items() if value is not None}
    np.savez(path, **kept)
    with pytest.raises(InputError) as error:
        read_trigger(path)
    assert str(error.value).startswith(f"{path}: is no reversed trigger: ")
    assert said in str(error.value)
    assert str(error.value).endswith("; scan the model again with --out")


def test_the_arrays_of_the_test_are_a_trigger(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **ARRAYS)
    assert read_trigger(tmp_path / "t.npz").label == 2


@pytest.mark.parametrize("kept", [0, 40, -40])
def test_a_broken_file_is_refused(kept: int, tmp_path: Path) -> None:
    made = trigger_file(reversed_trigger(), "scan-1")
    assert made is not None
    path = tmp_path / "t.npz"
    path.write_bytes(made[1][:kept])
    with pytest.raises(InputError, match=r"t\.npz: cannot be read as \.npz"):
        read_trigger(path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **{**ARRAYS, "mask": np.array({"a": 1}, dtype=object)})
    with pytest.raises(InputError, match="cannot be read"):
        read_trigger(tmp_path / "t.npz")


def test_what_unpacks_to_far_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "t.npz", **ARRAYS)
    monkeypatch.setattr("xray_gate.probing.trigger_files._MOST_BYTES", 100)
    with pytest.raises(InputError, match="is no reversed trigger: unpacks to 0 MiB"):
        read_trigger(tmp_path / "t.npz")
