from contextlib import nullcontext
from pathlib import Path

import pytest

from xray_gate.cli.reference_models import models_of_groups, once_each
from xray_gate.core.errors import InputError
from xray_gate.scan.calibrating import ReferenceModel


def model(name: str, digest: str, group: str | None = None) -> ReferenceModel:
    return ReferenceModel(name, f"in/{name}", digest, "kind", group, lambda: nullcontext(Path()))


def test_a_group_is_called_as_its_folder_or_file_unless_it_is_given_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "bad.nets"
    folder.mkdir()
    for name in ("b.onnx", "a.pt2", "notes.txt"):
        (folder / name).touch()
    named = [str(folder), f"wa={folder / 'b.onnx'}", str(folder / "b.onnx")]
    assert models_of_groups(named) == [
        (folder / "a.pt2", "bad.nets"),
        (folder / "b.onnx", "bad.nets"),
        (folder / "b.onnx", "wa"),
        (folder / "b.onnx", "b"),
    ]


def test_a_version_with_the_files_of_another_model_counts_once() -> None:
    given = [model("a.onnx", "1"), model("b.onnx", "2", "badnets")]
    admitted = [model("signs/1", "3"), model("signs/2", "1"), model("signs/3", "3")]
    kept, notes = once_each(given, admitted)
    assert [item.name for item in kept] == ["a.onnx", "b.onnx", "signs/1"]
    assert notes == [
        "signs/2: holds the same files as a.onnx, which count once",
        "signs/3: holds the same files as signs/1, which count once",
    ]


def test_a_file_that_is_given_twice_is_a_mistake() -> None:
    with pytest.raises(InputError, match=r"in/a, in/b: the same model counts once only"):
        once_each([model("a", "1"), model("b", "1", "badnets")], [])


def test_a_version_that_is_also_given_as_backdoored_is_a_contradiction() -> None:
    said = r"signs/1: was admitted, and the same files are given as backdoored \(in/b\); find out"
    with pytest.raises(InputError, match=said):
        once_each([model("b", "1", "badnets")], [model("signs/1", "1")])
