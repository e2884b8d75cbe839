"""Detectors of other distributions: what is found, and what stops a command at its start."""

import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.support.plugins import Answer, Second
from xray_gate.core.errors import InputError
from xray_gate.detectors.all_detectors import ALL_DETECTORS, installed_detectors
from xray_gate.detectors.interface import Detector, Findings
from xray_gate.detectors.plugins import GROUP, detectors_of, read_plugins
from xray_gate.wiring import running, scanning

HERE = "tests.support.plugins"


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def installed(folder: Path, points: Mapping[str, str], name: str = "some-plugin") -> None:
    """A distribution with these entry points, as an installer leaves it."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {value}" for key, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))


def test_without_plug_ins_there_are_ours() -> None:
    assert read_plugins(ALL_DETECTORS) == {}
    assert installed_detectors() == ALL_DETECTORS


def test_plug_ins_come_after_ours_in_the_order_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, {"second": f"{HERE}:Second", "answer": f"{HERE}:Answer"})
    monkeypatch.syspath_prepend(tmp_path)
    found = installed_detectors()
    assert list(found) == [*ALL_DETECTORS, "answer", "second"]
    assert (found["answer"], found["second"]) == (Answer, Second)


class NoScan(Detector):
    name = "no_scan"

    @classmethod
    def from_json(cls, parameters: Mapping[str, Any], query_budget: int | None = None) -> "NoScan":
        raise NotImplementedError

    def queries_needed(self, classes: int, training: int) -> int:
        return 0


class NoAccess(NoScan):
    name = "no_access"

    def _scan(self, *arguments: Any) -> Findings:
        raise NotImplementedError


NO_DETECTOR = {"answer": Answer}
BROKEN = {
    "no such module": (
        point("answer", "no_such_module:Answer"),
        r"answer \(no_such_module:Answer\) cannot be loaded \(ModuleNotFoundError: .*; repair or",
    ),
    "no such name": (point("answer", f"{HERE}:Nobody"), r"cannot be loaded \(AttributeError: "),
    "no detector": (point("x", f"{__name__}:NO_DETECTOR"), "is no subclass of xray_gate.detectors"),
    "no class": (point("x", f"{__name__}:point"), "is no subclass of xray_gate.detectors.interfa"),
    "another class": (point("x", "pathlib:Path"), "is no subclass of xray_gate.detectors.interfa"),
    "a part missing": (point("no_scan", f"{__name__}:NoScan"), "lacks _scan; correct or uninstall"),
    "no access": (point("no_access", f"{__name__}:NoAccess"), "does not say its access, one of"),
    "another name": (
        point("question", f"{HERE}:Answer"),
        "calls itself 'answer', and the entry point 'question'; correct or uninstall it",
    ),
    "no name": (point("x", "xray_gate.detectors.interface:Detector"), "lacks "),
    "one of our names": (
        point("trigger_sweep", f"{HERE}:Answer"),
        "trigger_sweep has the name of one of xray-gate; uninstall one of the two, or rename it",
    ),
    "a name that is reserved": (point("dtinspector", f"{HERE}:Answer"), "of one of xray-gate; "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_plug_in_that_cannot_be_used_is_an_error_with_the_remedy(case: str) -> None:
    entry, said = BROKEN[case]
    with pytest.raises(InputError, match=said):
        detectors_of([point("second", f"{HERE}:Second"), entry], ALL_DETECTORS)


@pytest.mark.parametrize(
    ("code", "error"), [("1 / 0", "ZeroDivisionError"), ("raise SystemExit(0)", "SystemExit")]
)
def test_what_breaks_at_its_import_is_an_error(
    code: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_at_import.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=rf"cannot be loaded \({error}: "):
        detectors_of([point("answer", "breaks_at_import:Answer")], ())
    assert "breaks_at_import" not in sys.modules


def test_a_broken_plug_in_stops_scans_and_runners_before_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, {"answer": "no_such_module:Answer"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="some-plugin: its detector answer"):
        scanning.new_scan()
    settings = running.RunnerSettings(f"xray-gate+sqlite:///{tmp_path}/r.db", "http://localhost:1")
    with pytest.raises(InputError, match="some-plugin: its detector answer"):
        running.new_runner(settings, print)


def test_the_distribution_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, {"answer": f"{HERE}:Answer"}, "first-plugin")
    installed(tmp_path, {"answer": f"{HERE}:Second"}, "other-plugin")
    monkeypatch.syspath_prepend(tmp_path)
    assert len(entry_points(group=GROUP)) == 2
    with pytest.raises(
        InputError, match="other-plugin: its detector answer has the name of one of first-plugin; "
    ):
        read_plugins(ALL_DETECTORS)
