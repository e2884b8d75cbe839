"""A version's files, kept bytes and report are those of its own workspace."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow.utils.workspace_context import get_request_workspace

from tests.runner.test_loop import Bench
from tests.support.gate import Gate
from xray_gate.registry.workspace import in_workspace
from xray_gate.runner.parts import Retries


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Bench:
    return Bench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")


def test_everything_that_goes_over_http_is_done_in_it(bench: Bench) -> None:
    entered: list[str] = []
    done: list[tuple[str, list[str]]] = []

    @contextmanager
    def enter(workspace: str) -> Iterator[None]:
        entered.append(workspace)
        yield
        entered.remove(workspace)

    def seen(what: str, part: Any) -> Any:
        def call(*arguments: Any) -> Any:
            done.append((what, list(entered)))
            return part(*arguments)

        return call

    bench.gate.register()
    changes = {
        what: seen(what, getattr(bench.parts, what)) for what in ("fetch", "keep", "publish")
    }
    assert bench.run(in_workspace=enter, **changes) == 1
    assert done == [(what, ["default"]) for what in ("fetch", "keep", "publish")]
    assert entered == []


def test_a_workspace_that_cannot_be_entered_leaves_its_version_undecided(bench: Bench) -> None:
    def gone(workspace: str) -> AbstractContextManager[None]:
        raise ValueError(f"{workspace} is gone")

    for name in ("signs", "signs-too"):
        bench.gate.register(name, f"s3://models/{name}")
    assert bench.run(in_workspace=gone, retries=Retries(tries=1, short_pauses=())) == 2
    assert bench.files.fetched == []
    for name in ("signs", "signs-too"):
        version = bench.version(name)
        assert version.status == "FAILED_REGISTRATION"
        assert "ValueError: default is gone" in version.status_message


def test_a_client_is_in_one_workspace_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", "of-the-runners-own")
    with in_workspace("team-a"):
        assert get_request_workspace() == "team-a"
    # A server without workspaces has only this one, and refuses a request that names it.
    with in_workspace("default"):
        assert get_request_workspace() is None
    assert get_request_workspace() == "of-the-runners-own"
