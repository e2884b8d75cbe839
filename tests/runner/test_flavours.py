"""The policy of a version hangs on what its files say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.runner.fakes import Files
from tests.runner.test_loop import Bench
from tests.support.evidence import backdoored, make_policy
from tests.support.gate import Gate
from xray_gate.policy.files import PolicySet
from xray_gate.scan.work import VersionState

LENIENT = [{"statistic": "renyi_entropy.unclipped", "bound": 0.01, "source": "lenient"}]
ONNX = "flavors: {onnx: {data: m.onnx}, python_function: {}}\n"


class Models(Files):
    """Every model's folder holds this MLmodel."""

    def __init__(self, folder: Path, mlmodel: str) -> None:
        super().__init__(folder)
        self._mlmodel = mlmodel

    @contextmanager
    def __call__(self, location: str) -> Iterator[Path]:
        with super().__call__(location) as path:
            file = path / "MLmodel"
            file.write_text(self._mlmodel)
            try:
                yield path
            finally:
                file.unlink()


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Bench:
    bench = Bench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")
    bench.gate.set_policy("onnx", **for_flavours("onnx"))
    bench.gate.register()
    return bench


def for_flavours(*flavours: str) -> dict[str, Any]:
    return {
        "precedence": 1,
        "match": {"registered_models": ["signs*"], "flavours": list(flavours)},
        "detectors": {"model_xray": {"thresholds": LENIENT}},
    }


def run(bench: Bench, tmp_path: Path, mlmodel: str, **changes: Any) -> None:
    """The scan finds a backdoor, which the policy for ONNX admits."""

    def find() -> Any:
        found = backdoored()
        return replace(found, model=replace(found.model, flavours=("onnx", "python_function")))

    bench.scans.find = find
    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    bench.run(fetch=Models(folder, mlmodel), **changes)


def state(bench: Bench) -> VersionState:
    found = bench.gate.registration()
    assert found is not None
    return found.state


def test_the_policy_is_chosen_by_the_flavours_that_were_fetched(
    bench: Bench, tmp_path: Path
) -> None:
    run(bench, tmp_path, ONNX)
    assert bench.version().tags["xray_gate.policy"] == "onnx"
    assert bench.version().status == "READY"
    assert bench.scans.asked == [("models:/signs/1", "onnx")]


def test_another_flavour_has_the_other_policy(bench: Bench, tmp_path: Path) -> None:
    run(bench, tmp_path, "flavors: {pytorch: {}}\n")
    assert bench.scans.asked == [("models:/signs/1", "images")]
    assert bench.version().status == "FAILED_REGISTRATION"


@pytest.mark.parametrize("mlmodel", ["flavors: [", "", "#" * (2**20 + 1)], ids=range(3))
def test_a_model_whose_flavours_cannot_be_read_is_refused(
    bench: Bench, tmp_path: Path, mlmodel: str
) -> None:
    run(bench, tmp_path, mlmodel)
    assert bench.scans.asked == []
    assert bench.version().status == "FAILED_REGISTRATION"
    assert "policy onnx is for it hangs on its flavours" in bench.version().status_message
    assert state(bench) is VersionState.REFUSED


def test_files_that_are_gone_are_refused_though_no_policy_was_chosen(bench: Bench) -> None:
    bench.files.missing.add("s3://models/signs")
    bench.run()
    assert state(bench) is VersionState.REFUSED
    assert "could not be fetched; check the store" in bench.version().status_message


def test_a_store_that_is_away_is_tried_again_and_then_given_up(bench: Bench) -> None:
    bench.gate.set_policy("onnx", enforcement="audit", **for_flavours("onnx"))
    bench.gate.register("signs-2")
    bench.files.away = True
    retries = replace(bench.parts.retries, first_pause=0.0)
    bench.run(retries=retries)
    assert state(bench) is VersionState.DEAD_LETTER
    assert bench.version().status == "FAILED_REGISTRATION"


def test_the_runners_own_policy_is_chosen_by_them_too(bench: Bench, tmp_path: Path) -> None:
    own = [
        make_policy(tmp_path / "own", "all"),
        make_policy(tmp_path / "own", "own", **for_flavours("onnx")),
    ]
    run(bench, tmp_path, ONNX, measuring=PolicySet(tuple(own)))
    assert bench.scans.asked == [("models:/signs/1", "own")]
