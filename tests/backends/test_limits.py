import os
import time
from pathlib import Path

import pytest

from tests.backends import tiny_onnx
from tests.backends.asking import request, some_images
from xray_gate.backends.isolation import available_threads, child_environment, open_model
from xray_gate.core.errors import ModelProcessError
from xray_gate.probing.batches import Images
from xray_gate.scan.ports import ModelLimits


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_model_that_never_answers_is_killed_at_the_deadline(tmp_path: Path) -> None:
    path = tiny_onnx.endless(tmp_path / "m.onnx")
    before = children()
    start = time.monotonic()
    with (
        pytest.raises(ModelProcessError, match=r"within 1 seconds; raise `limits\.seconds`"),
        open_model(request(path, limits=ModelLimits(seconds=1.0))),
    ):
        pass
    assert time.monotonic() - start < 5
    assert children() == before


def test_the_deadline_covers_the_time_between_questions(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    with open_model(request(path, limits=ModelLimits(seconds=1.5))) as model:
        model.labels(Images(some_images(2)))
        time.sleep(1.6)
        for _ in range(2):
            with pytest.raises(ModelProcessError, match=r"limits\.seconds"):
                model.labels(Images(some_images(2)))


@pytest.mark.parametrize("megabytes", [1500, 150])
def test_too_little_memory_names_the_limit(tmp_path: Path, megabytes: int) -> None:
    """The first is too little for the model, the second for its runtime."""
    path = tiny_onnx.sixteen_gigabytes(tmp_path / "m.onnx")
    limits = ModelLimits(seconds=60.0, memory_bytes=megabytes * 2**20)
    with (
        pytest.raises(ModelProcessError, match=rf"limits\.memory_mb.*\(now {megabytes}\)"),
        open_model(request(path, limits=limits)),
    ):
        pass


def test_the_process_and_its_folder_end_with_the_block(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    before = children()
    with open_model(request(path)):
        (child,) = children() - before
        home = Path(f"/proc/{child}/cwd").readlink()
        assert home.is_dir()
    assert children() == before
    assert not home.exists()


def test_the_environment_holds_nothing_but_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "hush")
    environment = child_environment(tmp_path, 2, "onnx")
    assert "hush" not in environment.values()
    assert environment["HOME"] == str(tmp_path)
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["OMP_NUM_THREADS"] == "2"


def test_threads_are_those_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_threads() == 1
    for nonsense in ("0", "many", "", str(cores + 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
        assert available_threads() == cores
