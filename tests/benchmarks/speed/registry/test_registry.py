import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from benchmarks.speed.registry import calls, command, looks
from benchmarks.speed.registry.filling import NAME, fill
from benchmarks.speed.registry.place import Place, opened
from tests.support.evidence import backdoored, clean, policy_document, write_policy
from xray_gate.ledger.tables import registrations, scans, verdicts

CALLS = 3


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path, policy_document())


@pytest.fixture
def place(database: str, policy: Path) -> Iterator[Place]:
    with opened(database, policy, "signs") as found:
        yield found


def test_calls_and_looks_have_a_row_for_each_size(place: Place) -> None:
    found = command.measure(place, clean(), [20, 40], CALLS)
    assert [(row["operation"], row["calls"]) for row in found["calls"]] == [
        ("set an alias", CALLS),
        ("register a version", CALLS),
    ] * 2
    # Of the two admitted versions, of those with the calls before, and of the largest fill.
    assert [row["finished"] for row in found["calls"]] == [2, 2, 41, 41]
    every = ["heartbeat", "claim, nothing waits", "claim, one waits", "champion of all finished"]
    assert [row["look"] for row in found["looks"]] == every * 2
    assert [row["finished"] for row in found["looks"]] == [20] * 4 + [40] * 4
    for row in found["looks"]:
        assert 0 < row["median_ms"] <= row["p90_ms"]
        assert any("xray_gate" in line for line in row["plan"])
    for row in found["calls"]:
        assert len(row["all_ms"]["gated"]) == len(row["all_ms"]["plain"]) == CALLS
    told = command.lines(found)
    assert told[2].startswith("| set an alias | 2 | ")
    assert told[-1].startswith("| champion of all finished | 40 | ")


def test_a_fill_is_finished_versions_with_scans_and_verdicts(place: Place) -> None:
    for finished in (5, 12):
        fill(place, finished)
        assert place.finished() == finished
        with place.engine.connect() as connection:
            for table in (scans, verdicts):
                count = connection.execute(select(func.count()).select_from(table)).scalar_one()
                assert count == finished
    assert place.work.claim() is None
    newest = place.plain.get_latest_versions(NAME)[0]
    assert int(newest.version) == 12
    with place.engine.connect() as connection:
        states = select(registrations.c.state).where(registrations.c.name == NAME)
        assert sorted(connection.execute(states).scalars()) == ["admitted"] * 6 + ["refused"] * 6


def test_the_look_after_a_version_that_waits_leaves_it_waiting(place: Place) -> None:
    place.register(place.gated, "signs", 0)
    fill(place, 4)
    looks.measure(place, 1)
    assert place.settle(clean()) == 1
    assert place.settle(clean()) == 0


def test_what_admits_nothing_is_no_subject(place: Place) -> None:
    with pytest.raises(ValueError, match="admits nothing"):
        command.measure(place, backdoored(), [5], CALLS)


def test_a_registry_in_use_is_left_alone(sqlite_database: str, policy: Path) -> None:
    with opened(sqlite_database, policy, "signs") as place:
        place.plain.create_registered_model("somebodys")
    with (
        pytest.raises(ValueError, match="give an empty database"),
        opened(sqlite_database, policy, "signs"),
    ):
        pass


def test_the_addition_is_the_median_of_pairs() -> None:
    taken = {"gated": [3.0, 10.0, 5.0], "plain": [1.0, 9.0, 1.0]}
    row = calls.summary(taken)
    assert row["added_ms"] == 2.0
    assert row["gated"] == {"median_ms": 5.0, "p90_ms": pytest.approx(9.0)}
    assert row["added_p90_ms"] == pytest.approx(9.0 - 7.4)
    assert calls.percentile_90([4.0]) == 4.0


def test_the_command_prints_both_tables_and_writes_them(
    sqlite_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    level = logging.getLogger("mlflow").level
    write_policy(tmp_path, policy_document("policy", match={"registered_models": ["demo-*"]}))
    monkeypatch.setattr(command, "DEMO", tmp_path)
    monkeypatch.setattr(command, "demo_evidence", clean)
    out = tmp_path / "registry.json"
    small = ["--database", sqlite_database, "--finished", "10", "--calls", "2"]
    assert command.main([*small, "--out", str(out)]) == 0
    logging.getLogger("mlflow").setLevel(level)
    told = json.loads(out.read_text())
    assert told["machine"]["database"] == "sqlite"
    assert (len(told["calls"]), len(told["looks"])) == (4, 4)
    assert "| register a version | 2 |" in capsys.readouterr().out
