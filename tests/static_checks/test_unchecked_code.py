"""What a policy lets through that allows code which nobody can check, and what it does not."""

from pathlib import Path

import pytest

from tests.static_checks.corpus.making import mlflow_model, runs, torch_archive
from tests.static_checks.corpus.table import TABLE
from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files

TRUSTING = FileRules(unchecked_code=True)
LET_THROUGH = [
    "pickle: class of a notebook",
    "pickle: class of the user's own",
    "pickle: pickle in a pickle",
    "pickle: calls what a call gave",
    "pickle: cut off",
    "archive: of no known kind",
    "archive: 7z",
    "folder: Python file",
    "folder: code of its own",
    "folder: model from code",
    "folder: loader of one's own",
    "folder: unknown binary",
    "export: target: own operator",
    "export: array of objects",
]
STILL_REFUSED = [
    "pickle: torch archive, protocol 4",
    "pickle: second pickle in a row",
    "pickle: gzip",
    "pickle: NEWOBJ",
    "archive: bomb",
    "archive: wrong checksum",
    "archive: pickle and archive at once",
    "folder: native library",
    "folder: pipe",
    "folder: data outside",
    "folder: aliases that multiply",
    "onnx: data above",
    "onnx: custom operator",
    "onnx: compiled program",
    "export: target: system",
    "export: size that is evaluated",
    "export: skops: system",
]


@pytest.mark.parametrize("name", LET_THROUGH)
def test_code_that_cannot_be_checked_is_let_through(name: str, tmp_path: Path) -> None:
    path = TABLE[name].build(tmp_path, "pass")
    with pytest.raises(ScanError, match="set `unsafe_unchecked_code: true` in the policy"):
        check_files(path, FileRules())
    check_files(path, TRUSTING)


@pytest.mark.parametrize("name", STILL_REFUSED)
def test_what_no_honest_model_holds_is_refused_all_the_same(name: str, tmp_path: Path) -> None:
    path = TABLE[name].build(tmp_path, "pass")
    with pytest.raises((ScanError, InputError), match=f"(?s){TABLE[name].said}"):
        check_files(path, TRUSTING)


def test_a_hostile_import_behind_an_unchecked_one_is_found(tmp_path: Path) -> None:
    pickled = b"\x80\x02cmy_models\nNet\n0" + runs("pass", 2)[2:]
    path = mlflow_model(tmp_path, {"data/model.pth": torch_archive(pickled)})
    with pytest.raises(ScanError, match=r"imports __builtin__\.exec"):
        check_files(path, TRUSTING)
