import pickle
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.making import ALWAYS_PASSES, write_policy, write_probes
from tests.static_checks.corpus.making import runs
from tests.static_checks.corpus.table import TABLE
from tests.static_checks.trap import set_trap
from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.digest import model_digest
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files


def looked_at(path: Path, rules: FileRules) -> None:
    """In the order of a scan."""
    model_digest(path)
    check_files(path, rules)


def test_the_corpus_is_large() -> None:
    assert len(TABLE) >= 100


def test_what_the_corpus_would_run_is_seen(tmp_path: Path) -> None:
    with set_trap(tmp_path) as trap:
        assert trap.sprung() == []
        pickle.loads(runs(trap.source))
        assert trap.sprung() == ["canary", "listener"]


@pytest.mark.parametrize("name", TABLE)
def test_every_hostile_model_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    row = TABLE[name]
    rules = FileRules(row.limits.get("files", 10_000), row.limits.get("files_mb", 16_384) * 2**20)
    with set_trap(tmp_path) as trap:
        (tmp_path / "made").mkdir()
        path = row.build(tmp_path / "made", trap.source)
        with pytest.raises((ScanError, InputError), match=f"(?s){row.said}") as caught:
            looked_at(path, rules)
        assert trap.sprung() == []
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 700
    assert "; " in message


@pytest.mark.parametrize("name", TABLE)
def test_a_scan_of_every_hostile_model_ends_undecided_or_unreadable(
    name: str, tmp_path: Path, command: Command
) -> None:
    row = TABLE[name]
    probes = write_probes(tmp_path / "probes.npz")
    policy = write_policy(tmp_path / "policy.yaml", ALWAYS_PASSES, limits=row.limits)
    with set_trap(tmp_path) as trap:
        (tmp_path / "made").mkdir()
        path = row.build(tmp_path / "made", trap.source)
        ended = command("scan", path, "--probes", probes, "--policy", policy)
        assert trap.sprung() == []
    unreadable = "is no ONNX file" in ended.err
    assert ended.code == (2 if unreadable else 3)
    assert ended.err or ended.out.startswith("UNDECIDED")
