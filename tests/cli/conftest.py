import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.cleanse_place import CleansePlace, make_cleanse_place
from tests.cli.filter_place import Place, make_place
from tests.cli.making import ALWAYS_PASSES, Ended, clean_model, write_policy, write_probes
from xray_gate.cli.main import run

Command = Callable[..., Ended]
Filter = Callable[..., Ended]
Cleanse = Callable[..., Ended]


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


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture
def run_filter(command: Command, place: Place) -> Filter:
    """`xray-gate filter` in `place`; other files by their option's name, or as `model`."""

    def call(*more: object, **changes: Path) -> Ended:
        chosen = {"report": place.report, "inputs": place.inputs, "probes": place.probes}
        chosen |= {"out": place.out} | changes
        model = chosen.pop("model", place.model)
        options = [part for name, path in chosen.items() for part in (f"--{name}", path)]
        return command("filter", model, *options, *more)

    return call


@pytest.fixture
def cleanse_place(tmp_path: Path) -> CleansePlace:
    return make_cleanse_place(tmp_path)


@pytest.fixture
def run_cleanse(command: Command, cleanse_place: CleansePlace) -> Cleanse:
    """`xray-gate cleanse` in `cleanse_place`; other files by their option's name, or as `model`."""

    def call(*more: object, **changes: Path) -> Ended:
        chosen = {"report": cleanse_place.report, "training_data": cleanse_place.training}
        chosen |= {"out": cleanse_place.out} | changes
        model = chosen.pop("model", cleanse_place.model)
        named = [(f"--{name.replace('_', '-')}", path) for name, path in chosen.items()]
        return command("cleanse", model, *(part for pair in named for part in pair), *more)

    return call
