import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.making import ALWAYS_PASSES, clean_model, write_policy, write_probes
from xray_gate.cli.main import run


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """`xray-gate` in this process; the model still has one of its own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def call(*arguments: object) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run([str(argument) for argument in arguments])
        written = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, written.out, written.err)

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield call
    root.handlers[:], root.level = handlers, level


@dataclass(frozen=True)
class Files:
    """A folder with a model, probes, and a policy under which everything passes."""

    folder: Path
    model: Path
    probes: Path
    policy: Path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(
        tmp_path,
        clean_model(tmp_path / "clean.onnx"),
        write_probes(tmp_path / "probes.npz"),
        write_policy(tmp_path / "policy.yaml", ALWAYS_PASSES),
    )
