"""The look for inconsistencies sees those that are planted, one at a time."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.inconsistencies import inconsistencies
from tests.support.evidence import evidence_of
from tests.support.gate import Gate
from xray_gate.core.evidence import ModelFacts
from xray_gate.policy.decision import decide
from xray_gate.scan.digest import model_digest
from xray_gate.scan.work import Settlement


@dataclass(frozen=True)
class Registry:
    """Version 1 is admitted, version 2 refused, and version 3 waits."""

    gate: Gate
    folder: Path

    def place(self, location: str) -> Path:
        return self.folder / location.removeprefix("file:///")

    def found(self, *, waiting: bool = True, scanned_again: Collection[str] = ()) -> list[str]:
        with self.gate.connection() as connection:
            return inconsistencies(
                connection, self.place, waiting=waiting, scanned_again=scanned_again
            )

    def plant(self, statement: str) -> None:
        # Past SQLAlchemy, and so without a look at foreign keys.
        with closing(sqlite3.connect(self.gate.uri.removeprefix("sqlite:///"))) as connection:
            assert connection.execute(statement).rowcount > 0
            connection.commit()


def envelope(digest: str, result: str) -> str:
    statement = {
        "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicate": {"verificationResult": result},
    }
    return json.dumps({"payload": base64.b64encode(json.dumps(statement).encode()).decode()})


@pytest.fixture
def registry(sqlite_database: str, tmp_path: Path) -> Registry:
    gate = Gate(sqlite_database, tmp_path / "policies")
    for number, entropy in ((1, 1.9), (2, 0.2)):
        source = tmp_path / "models" / str(number)
        source.mkdir(parents=True)
        (source / "weights").write_text(f"of model {number}")
        shutil.copytree(source, tmp_path / "kept" / str(number))
        gate.register(source=f"file:///models/{number}")
        lease = gate.work.claim()
        assert lease is not None
        policy = gate.work.policy_for(lease)
        assert policy is not None
        digest = model_digest(source)
        facts = ModelFacts(f"models:/signs/{number}", digest, "onnx", 4)
        evidence = evidence_of(entropy, model=facts)
        decision = decide(policy, evidence)
        signed = envelope(digest, "PASSED" if number == 1 else "FAILED")
        kept = f"file:///kept/{number}"
        gate.work.finish(lease, Settlement(evidence, decision, policy, None, kept, signed))
    gate.register(source="file:///models/3")
    return Registry(gate, tmp_path)


def test_nothing_is_found_where_all_is_well(registry: Registry) -> None:
    assert registry.found() == []


def test_a_version_that_waits_is_found_where_none_may(registry: Registry) -> None:
    assert registry.found(waiting=False) == ["signs/3: still waits for a scan"]


def test_what_is_scanned_again_may_have_a_verdict_more(registry: Registry) -> None:
    registry.plant(PLANTED["a second verdict"][0])
    assert "signs/1: 2 verdicts" in registry.found(scanned_again=["signs/2"])
    # The one that was planted is nobody's scan.
    rest = registry.found(scanned_again=["signs/1"])
    assert rest == [
        "verdict 3: 0 lines in the audit log",
        "signs/1: its state rests on another scan than its verdict",
        "signs/1: admitted without a scan",
        "signs/1: bytes are kept that nobody scanned",
    ]


NUMBER = "(SELECT id FROM xray_gate_registrations WHERE version = {0})"
OF_1, OF_2 = NUMBER.format(1), NUMBER.format(2)
ALIAS = "INSERT INTO registered_model_aliases (workspace, name, alias, version) VALUES "
VERDICT = (
    "INSERT INTO xray_gate_verdicts "
    "(registration_id, verdict, admits, reasons, policy_name, policy_digest, created_at) VALUES "
)
PLANTED = {
    "READY without a pass": (
        "UPDATE model_versions SET status = 'READY' WHERE version = 2",
        "signs/2: READY, promoted [], without an admitting verdict",
    ),
    "READY before a scan": (
        "UPDATE model_versions SET status = 'READY' WHERE version = 3",
        "signs/3: READY, promoted [], without an admitting verdict",
    ),
    "an alias without a pass": (
        f"{ALIAS} ('default', 'signs', 'champion', 2)",
        "promoted ['champion'], without an admitting verdict",
    ),
    "an alias before a scan": (
        f"{ALIAS} ('default', 'signs', 'champion', 3)",
        "promoted ['champion'], without an admitting verdict",
    ),
    "a stage without a pass": (
        "UPDATE model_versions SET current_stage = 'Production' WHERE version = 2",
        "promoted ['Production'], without an admitting verdict",
    ),
    "an alias that leads nowhere": (
        f"{ALIAS} ('default', 'signs', 'champion', 9)",
        "the alias champion of signs leads nowhere",
    ),
    "a lost verdict": (
        f"DELETE FROM xray_gate_verdicts WHERE registration_id = {OF_1}",
        "signs/1: 0 verdicts",
    ),
    "a second verdict": (
        f"{VERDICT} ({OF_1}, 'passed', 1, '[]', 'images', 'd', 0)",
        "signs/1: 2 verdicts",
    ),
    "a pass without a scan": (
        f"UPDATE xray_gate_verdicts SET scan_id = NULL WHERE registration_id = {OF_1}",
        "signs/1: admitted without a scan",
    ),
    "a verdict that another scan led to": (
        "UPDATE xray_gate_registrations SET scan_id = 'other' WHERE version = 1",
        "its state rests on another scan than its verdict",
    ),
    "an admission that a failure led to": (
        "UPDATE xray_gate_registrations SET state = 'admitted' WHERE version = 2",
        "is admitted by a verdict that is failed",
    ),
    "a verdict on nothing": (
        f"{VERDICT} (99, 'passed', 1, '[]', 'images', 'd', 0)",
        "a verdict on registration 99, which is not there",
    ),
    "a lost registration": (
        "DELETE FROM xray_gate_registrations WHERE version = 3",
        "signs/3: the gate has never seen it",
    ),
    "a lost version": (
        "DELETE FROM model_versions WHERE version = 3",
        "signs/3: registered, but MLflow has no such",
    ),
    "a version that waits again": (
        "UPDATE xray_gate_registrations SET state = 'waiting' WHERE version = 2",
        "signs/2: waits for a scan with the status FAILED_REGISTRATION",
    ),
    "a status that nobody set": (
        "UPDATE model_versions SET status = 'PENDING_REGISTRATION' WHERE version = 1",
        "signs/1: is admitted with the status PENDING_REGISTRATION",
    ),
    "a lease that never ended": (
        "UPDATE xray_gate_registrations SET lease_owner = 'runner-9' WHERE version = 1",
        "signs/1: settled, and still leased to runner-9",
    ),
    "a tag of another verdict": (
        "UPDATE model_version_tags SET value = 'passed' "
        "WHERE version = 2 AND key = 'xray_gate.verdict'",
        "signs/2: its tag says passed, its verdict failed",
    ),
    "lost evidence": (
        "DELETE FROM xray_gate_scans WHERE scan_id = "
        "(SELECT scan_id FROM xray_gate_registrations WHERE version = 1)",
        "signs/1: its verdict rests on evidence",
    ),
    "evidence of no version": (
        "INSERT INTO xray_gate_scans VALUES ('stray', 'sha256:0', '{}', NULL, 0)",
        "evidence stray without a verdict that rests on it",
    ),
    "evidence of other bytes": (
        f"UPDATE xray_gate_scans SET digest = 'sha256:{'0' * 64}'",
        "signs/1: its evidence is not what it is kept as",
    ),
    "evidence of another version": (
        "UPDATE xray_gate_scans SET evidence = replace(evidence, 'signs/1', 'signs/7')",
        "signs/1: its evidence is about models:/signs/7",
    ),
    "files that were moved": (
        "UPDATE model_versions SET storage_location = 'file:///models/1' WHERE version = 1",
        "signs/1: lies at file:///models/1, the ledger says file:///kept/1",
    ),
    "a pass of what is not kept": (
        "UPDATE xray_gate_registrations SET kept = 0 WHERE version = 1",
        "signs/1: admitted, and its bytes are not kept",
    ),
    "a verdict that is not signed": (
        "UPDATE xray_gate_verdicts SET attestation = NULL",
        "signs/1: its verdict is not signed",
    ),
    "a signature for other bytes": (
        f"UPDATE xray_gate_verdicts SET attestation = '{envelope('0' * 64, 'PASSED')}'",
        f"signs/1: signed for sha256:{'0' * 64}, scanned sha256:",
    ),
    "a signed pass of what failed": (
        "UPDATE xray_gate_verdicts SET verdict = 'failed'",
        "signs/1: signed as PASSED, recorded as failed",
    ),
    "a verdict that nobody logged": (
        "DELETE FROM xray_gate_log WHERE event = 'verdict' AND version = 2",
        "verdict 2: 0 lines in the audit log",
    ),
    "a line of the log that was removed": (
        "DELETE FROM xray_gate_log WHERE seq = 3",
        "the audit log is broken: line 3: removed",
    ),
    "a line of the log that was changed": (
        "UPDATE xray_gate_log SET actor = 'bob' WHERE seq = 4",
        "the audit log is broken: line 4: content changed",
    ),
    "a newest line that is not the newest": (
        "UPDATE xray_gate_log_head SET seq = seq - 1",
        "the audit log is broken: the newest line is",
    ),
    "a promotion that is still allowed": (
        "INSERT INTO xray_gate_free_promotions (workspace, name, version, kind, value) "
        "VALUES ('default', 'signs', 2, 'alias', 'champion')",
        "1 promotions without a verdict are still allowed",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(registry: Registry, what: str) -> None:
    statement, expected = PLANTED[what]
    registry.plant(statement)
    assert [problem for problem in registry.found() if expected in problem]


def cut_in_half(path: Path) -> None:
    path.write_text(path.read_text()[:4])


@pytest.mark.parametrize("place", ["kept", "models"])
@pytest.mark.parametrize("spoil", [cut_in_half, Path.unlink])
def test_files_that_are_not_what_was_scanned_are_found(
    registry: Registry, place: str, spoil: Callable[[Path], None]
) -> None:
    spoil(registry.folder / place / "1" / "weights")
    which = "downloaded" if place == "kept" else "registered"
    (found,) = registry.found()
    assert found.startswith(f"signs/1: {which} from file:///{place}/1 is ")


def test_files_that_are_gone_are_found(registry: Registry) -> None:
    shutil.rmtree(registry.folder / "kept" / "1")
    (found,) = registry.found()
    assert "signs/1: downloaded from file:///kept/1 is nothing that can be read" in found
