"""`xray-gate hook model`."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Files
from tests.cli.making import ALWAYS_FAILS, clean_model, write_policy, wrong_labels
from xray_gate.cli.changed_models import changed_models


def mlflow_folder(path: Path, model: Path) -> Path:
    path.mkdir(parents=True)
    shutil.copy(model, path / "model.onnx")
    (path / "MLmodel").write_text("flavors:\n  onnx:\n    data: model.onnx\n")
    return path


def test_a_sound_file_passes_without_a_word(command: Command, files: Files) -> None:
    ended = command("hook", "model", "--", files.model)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "MODEL.PT2", "m.torchscript"])
def test_a_file_that_runs_code_is_named_with_the_next_step(
    command: Command, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    ended = command("hook", "model", "--", path)
    assert ended.code == 3
    assert ended.out.startswith(f"{path}: {name}: ")
    assert "imports os.system (byte 0): it runs code" in ended.out
    assert "do not load it, and find out where it comes from" in ended.out


def test_a_changed_file_of_an_mlflow_folder_stands_for_the_folder(
    command: Command, files: Files
) -> None:
    folder = mlflow_folder(files.folder / "models" / "signs", files.model)
    (folder / "extra").mkdir()
    added = folder / "extra" / "weights.bin"
    added.write_bytes(pickle.dumps(print))
    ended = command("hook", "model", "--", added, folder / "MLmodel")
    assert ended.code == 3
    (line,) = ended.out.splitlines()
    assert line.startswith(f"{folder}: extra/weights.bin: is a pickle that imports builtins.print")


def test_other_files_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "code.py").touch()
    (tmp_path / "model.onnx").touch()
    (tmp_path / "link.onnx").symlink_to(tmp_path / "model.onnx")
    found = changed_models([tmp_path / "code.py", tmp_path / "link.onnx", tmp_path / "model.onnx"])
    assert found == [tmp_path / "model.onnx"]


def test_with_probes_a_model_is_scanned(command: Command, files: Files) -> None:
    options = ("--policy", files.policy, "--probes", files.probes, "--")
    ended = command("hook", "model", *options, files.model)
    assert ended.code == 0
    assert ended.out.startswith("PASSED")
    write_policy(files.policy, ALWAYS_FAILS)
    ended = command("hook", "model", *options, files.model)
    assert ended.code == 1
    assert ended.out.startswith("FAILED")


def test_undecided_blocks(command: Command, files: Files) -> None:
    model = wrong_labels(files.folder / "wrong.onnx")
    options = ("--policy", files.policy, "--probes", files.probes, "--")
    ended = command("hook", "model", *options, model, files.model)
    assert ended.code == 3
    assert "UNDECIDED" in ended.out
    assert "PASSED" in ended.out


def test_a_policy_that_names_probes_scans_by_them(command: Command, files: Files) -> None:
    policy = write_policy(files.policy, ALWAYS_FAILS, probes=files.probes.name)
    ended = command("hook", "model", "--policy", policy, "--", files.model)
    assert (ended.code, ended.out.split()[0]) == (1, "FAILED")


@pytest.mark.parametrize("mode", ["warn", "audit"])
def test_a_verdict_is_told_and_does_not_block_by_the_mode(
    command: Command, files: Files, mode: str
) -> None:
    modes = {"pre_commit": mode}
    policy = write_policy(files.policy, ALWAYS_FAILS, enforcement=modes, probes=files.probes.name)
    options = ("hook", "model", "--policy", policy, "--")
    ended = command(*options, files.model)
    assert (ended.code, ended.out.split()[0]) == (0, "FAILED")
    assert f"the mode at pre_commit is {mode}, so this blocks no commit" in ended.err
    unsafe = files.folder / "model.pt"
    unsafe.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert command(*options, unsafe).code == 3
    broken = write_policy(files.policy, ALWAYS_FAILS, enforcement=modes, probes="gone.npz")
    assert command("hook", "model", "--policy", broken, "--", files.model).code == 2


def test_the_mode_off_scans_nothing(command: Command, files: Files) -> None:
    policy = write_policy(
        files.policy, ALWAYS_FAILS, enforcement={"pre_commit": "off"}, probes=files.probes.name
    )
    ended = command("hook", "model", "--policy", policy, "--", files.model)
    assert (ended.code, ended.out) == (0, "")


def test_other_places_modes_are_not_asked(command: Command, files: Files) -> None:
    policy = write_policy(
        files.policy, ALWAYS_FAILS, enforcement={"promotion": "audit"}, probes=files.probes.name
    )
    assert command("hook", "model", "--policy", policy, "--", files.model).code == 1


def test_what_cannot_be_used_blocks(command: Command, files: Files) -> None:
    ended = command("hook", "model", "--probes", files.folder / "gone.npz", "--", files.model)
    assert ended.code == 2
    ended = command("hook", "model", "--policy", files.folder / "gone.yaml", "--", files.model)
    assert ended.code == 2


@pytest.mark.parametrize("name", ["-v.onnx", "--policy=x.onnx", "a b.onnx", "a\nb.onnx"])
def test_names_are_names(
    command: Command, files: Files, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(files.folder)
    Path(name).write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    ended = command("hook", "model", "--", name)
    assert ended.code == 2
    assert "is no ONNX file" in ended.out
    assert len(ended.out.splitlines()) == 1


def test_a_path_is_never_an_address_of_mlflows(
    command: Command, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.folder)
    place = Path("models:") / "signs"
    place.mkdir(parents=True)
    clean_model(place / "1.onnx")
    options = ("--policy", files.policy, "--probes", files.probes, "--")
    ended = command("hook", "model", *options, "models:/signs/1.onnx")
    assert ended.code == 0
    assert ended.out.startswith("PASSED  ./models:/signs/1.onnx")


_LOADED = """
import sys
from xray_gate.cli.main import run
try:
    run(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
print(sorted({"torch", "mlflow", "onnx", "onnxruntime"} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", ["policy", "model", "no-pickle"])
def test_a_commit_without_models_and_policies_loads_no_runtime(tmp_path: Path, name: str) -> None:
    (tmp_path / "code.py").write_text("import os\n")
    (tmp_path / "other.yaml").write_text("a: 1\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    arguments = ["hook", name, "--", "code.py", "other.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
