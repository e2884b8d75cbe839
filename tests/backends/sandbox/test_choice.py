import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.backends import tiny_onnx, tiny_torch
from tests.backends.asking import request, some_images
from tests.backends.sandbox.isolations import needed
from tests.backends.tiny_pyfunc import BRIGHTEST, write_pyfunc
from xray_gate.backends.isolation import open_model
from xray_gate.backends.sandbox.choice import strongest, why_not
from xray_gate.core.errors import InputError, ScanError
from xray_gate.core.isolation import Isolation, LeastIsolation
from xray_gate.probing.batches import Images

pytestmark = [
    # PyTorch about TorchScript, which is still what people have.
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.*is not supported in Python:DeprecationWarning"),
]

PROCESS: tuple[Isolation] = ("process",)

# A kernel that has no Landlock, as far as everything that this process starts can tell.
WITHOUT_LANDLOCK = """
import ctypes, platform, struct, sys
from pathlib import Path

from tests.backends.asking import request
from xray_gate.backends.isolation import open_model
from xray_gate.backends.sandbox.choice import strongest, why_not
from xray_gate.backends.sandbox.kernel import prctl, syscall
from xray_gate.core.errors import ScanError

steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x50026), (0x06, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
buffer = ctypes.create_string_buffer(code, len(code))
header = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(buffer)))
prctl(38, 1)
syscall({"x86_64": 317, "aarch64": 277}[platform.machine()], 1, 0, header)
print(strongest(), "|", why_not("landlock+seccomp"), "|", why_not("bubblewrap"))
try:
    open_model(request(Path(sys.argv[1]))).__enter__()
except ScanError as error:
    print(error)
with open_model(request(Path(sys.argv[2]))) as model:
    print(model.environment["isolation"])
"""


def test_where_nothing_works_programs_are_refused_and_onnx_is_opened(tmp_path: Path) -> None:
    pickled = write_pyfunc(tmp_path / "model", "raise SystemExit('must not be loaded')")
    onnx = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, pickled, onnx],
        env={"PATH": "/nowhere", "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    found, refusal, opened = done.stdout.splitlines()
    assert found.startswith("process | OSError: [Errno 38]")
    assert found.endswith("| bwrap is not on PATH")
    assert (
        "the policy opens mlflow-pyfunc in landlock+seccomp at least, and here is only" in refusal
    )
    assert "landlock+seccomp: OSError: [Errno 38]" in refusal
    assert "bubblewrap: bwrap is not on PATH); install bubblewrap" in refusal
    assert refusal.endswith("or give the model as ONNX, which holds no code")
    assert opened == "process"


def test_a_bubblewrap_that_cannot_make_namespaces_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert why_not("bubblewrap") == "bwrap: No permissions to create new namespace"
    assert strongest(("process", "bubblewrap")) == "process"


def test_a_bubblewrap_that_isolates_nothing_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs the command as it is: the trial finds the user's file readable."""
    bwrap = tmp_path / "bwrap"
    bwrap.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "it could read a file of the user and write a file" in why_not("bubblewrap")


@pytest.mark.parametrize("save", [tiny_torch.save_torchscript, tiny_torch.save_pt2_for_any])
def test_torch_formats_count_as_programs(save: Callable[[Path], Path], tmp_path: Path) -> None:
    path = save(tmp_path / "m.pt2")
    with (
        pytest.raises(ScanError, match=r"in landlock\+seccomp at least"),
        open_model(request(path), ()),
    ):
        pass


def test_a_policy_may_ask_for_bubblewrap_for_all(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    asked = request(path, isolation=LeastIsolation(other="bubblewrap"))
    words = "opens onnx in bubblewrap at least, and here is only process"
    with pytest.raises(ScanError, match=words) as caught, open_model(asked, PROCESS):
        pass
    assert "ONNX" not in str(caught.value)


def test_a_format_that_is_not_accepted_is_not_opened(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    asked = request(path, formats=["pt2", "torchscript"])
    words = "is onnx, and the policy accepts pt2, torchscript only; give the model in one"
    with pytest.raises(ScanError, match=words), open_model(asked):
        pass
    with open_model(request(path, formats=["onnx"])) as model:
        assert model.format == "onnx"


@pytest.mark.parametrize("isolation", ["landlock+seccomp", "bubblewrap"])
def test_the_isolation_is_told_by_the_scanning_side(isolation: Isolation, tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with open_model(request(path), (needed(isolation),)) as model:
        assert model.environment["isolation"] == isolation


def test_a_folder_with_the_home_directory_in_it_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "model" / "me"))
    folder = write_pyfunc(tmp_path / "model", BRIGHTEST)
    with pytest.raises(InputError, match="holds the home directory"), open_model(request(folder)):
        pass


@pytest.mark.parametrize("isolation", ["landlock+seccomp", "bubblewrap"])
def test_weights_beside_a_file_are_found(isolation: Isolation, tmp_path: Path) -> None:
    whole = onnx.load(tiny_onnx.linear(tmp_path / "whole.onnx", 9 * np.eye(3)))
    onnx.save_model(
        whole,
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.onnx.data",
        size_threshold=0,
    )
    with open_model(request(tmp_path / "m.onnx"), (needed(isolation),)) as model:
        assert len(model.labels(Images(some_images(2)))) == 2
