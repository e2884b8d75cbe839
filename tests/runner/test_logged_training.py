from pathlib import Path

import pytest

from tests.runner.test_loop import Bench
from tests.support.evidence import clean, make_policy
from tests.support.gate import Gate
from xray_gate.core.errors import ScanError
from xray_gate.core.evidence import Evidence
from xray_gate.policy.files import PolicySet
from xray_gate.scan.work import MissingTraining, ModelOrigin, TrainingFiles

FROM_THE_RUN = {"from": "model_run"}
RUN = "ab" * 16


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Bench:
    return Bench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")


def test_a_policy_that_does_not_ask_for_logged_data_gets_none(bench: Bench) -> None:
    bench.gate.register(run_id=RUN)
    bench.run()
    assert (bench.scans.logged, bench.logged.asked) == ([None], [])


def test_logged_data_are_there_while_the_scan_runs_and_gone_afterwards(bench: Bench) -> None:
    def find() -> Evidence:
        assert bench.logged.open
        return clean()

    bench.gate.set_policy(training_data=FROM_THE_RUN)
    bench.gate.register(run_id=RUN)
    bench.scans.find = find
    bench.run()
    assert bench.version().status == "READY"
    assert bench.logged.asked == [ModelOrigin(RUN, "s3://models/signs")]
    assert bench.scans.logged == [TrainingFiles(f"runs:/{RUN}/train.npz", Path("train.npz"))]
    assert not bench.logged.open


def test_the_runners_own_policy_may_name_a_path_instead(bench: Bench, tmp_path: Path) -> None:
    bench.gate.set_policy(training_data=FROM_THE_RUN)
    bench.gate.register(run_id=RUN)
    own = make_policy(tmp_path / "own", training_data="train.npz")
    bench.run(measuring=PolicySet((own,)))
    assert (bench.scans.logged, bench.logged.asked) == ([None], [])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ScanError("the run logged nothing; log it"), "the run logged nothing; log it"),
        (
            ZeroDivisionError("oh"),
            "a bug of ours: ZeroDivisionError: oh; please report it with the runner's log",
        ),
    ],
)
def test_data_that_cannot_be_had_do_not_stop_the_scan(
    bench: Bench, error: Exception, said: str
) -> None:
    bench.gate.set_policy(training_data=FROM_THE_RUN)
    bench.gate.register(run_id=RUN)
    bench.logged.error = error
    assert bench.run() == 1
    assert bench.scans.logged == [MissingTraining(said)]
    assert bench.version().status == "READY"


def test_a_version_that_is_gone_comes_from_nowhere(bench: Bench) -> None:
    bench.gate.register(run_id=RUN)
    lease = bench.parts.queue.claim()
    assert lease is not None
    bench.gate.store.delete_registered_model("signs")
    assert bench.parts.queue.origin_of(lease) == ModelOrigin(None, "")
