"""What exceptions and break-glass let through has its lines in the audit log, and whose."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import audit_lines, told
from tests.support.evidence import DIGEST, backdoored, clean, day, write_exception
from tests.support.gate import Gate, assert_refused
from xray_gate.core.errors import InputError
from xray_gate.registry.breaking_glass import open_break_glass, review_break_glass
from xray_gate.scan.work import Promotion, VersionKey

KEY = VersionKey("default", "signs", 1)
CHAMPION = Promotion("alias", "champion")
RUNNER = "runner-1 (runner)"
EXCUSED = {
    "digest": DIGEST,
    "exceptions": ["known-attractor (model_xray, PLAT-7)"],
    "until": day(12),
}


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    """A server that knows who asks, `ann`, under a policy that allows both."""
    made = Gate(database, tmp_path / "policies", triggers=True, user=lambda: "ann")
    made.set_policy(exceptions={"most_days": 30}, break_glass={"minutes": 60})
    return made


def promote(gate: Gate, alias: str = "champion", version: int = 1) -> None:
    gate.store.set_registered_model_alias("signs", alias, version)


def opened(gate: Gate) -> int:
    maker = gate.plain.ManagedSessionMaker
    said = "the old one is down"
    return open_break_glass(maker, gate.ledger, KEY, CHAMPION, said, "op", time.time(), "T-1").id


def lines_about(gate: Gate, event: str) -> list[dict[str, Any]]:
    return [line for line in audit_lines(gate) if line["event"] == event]


def policy_of(gate: Gate) -> tuple[str, str]:
    policy = gate.parts.policies().match("signs")
    assert policy is not None
    return policy.name, policy.digest


def test_an_exception_that_admits_at_the_scan_is_the_runners(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.judged(backdoored())
    assert told(gate) == [
        "registered signs/1 ann (server)",
        f"scanned signs/1 {RUNNER}",
        f"verdict signs/1 {RUNNER}",
        f"exception_used signs/1 {RUNNER}",
    ]
    (line,) = lines_about(gate, "exception_used")
    assert line["details"] == EXCUSED
    assert (line["policy"], line["policy_digest"]) == policy_of(gate)
    # What is on record makes no second line.
    promote(gate)
    assert told(gate)[4:] == ["promotion_granted signs/1 ann (server)"]


def test_one_that_admits_at_the_promotion_is_the_users(gate: Gate) -> None:
    gate.judged(backdoored())
    write_exception(gate.folder)
    promote(gate)
    promote(gate, "blue")
    assert told(gate)[3:] == [
        "verdict signs/1 ann (server)",
        "exception_used signs/1 ann (server)",
        "promotion_granted signs/1 ann (server)",
        "promotion_granted signs/1 ann (server)",
    ]
    (line,) = lines_about(gate, "exception_used")
    assert line["details"] == EXCUSED


def test_a_copy_has_a_line_of_its_own(gate: Gate) -> None:
    write_exception(gate.folder)
    original = gate.judged(backdoored())
    gate.store.create_registered_model("signs-production")
    gate.store.copy_model_version(original, "signs-production")
    assert told(gate)[4:] == [
        "registered signs-production/1 ann (server)",
        "verdict signs-production/1 ann (server)",
        "exception_used signs-production/1 ann (server)",
        "promotion_granted signs-production/1 ann (server)",
    ]
    assert lines_about(gate, "exception_used")[-1]["details"] == EXCUSED


def test_what_passes_uses_none(gate: Gate) -> None:
    write_exception(gate.folder)
    gate.judged(clean())
    promote(gate)
    assert lines_about(gate, "exception_used") == []


def test_a_break_glass_is_opened_used_and_reviewed_by_whoever_did(gate: Gate) -> None:
    gate.judged(backdoored())
    number = opened(gate)
    promote(gate)
    maker = gate.plain.ManagedSessionMaker
    review_break_glass(maker, gate.ledger, number, "fine", "bob", time.time())
    assert told(gate)[3:] == [
        "break_glass signs/1 op (command)",
        "break_glass signs/1 ann (server)",
        "promotion_granted signs/1 ann (server)",
        "break_glass signs/1 bob (command)",
    ]
    place = {"number": number, "digest": DIGEST, "alias": "champion"}
    first, used, reviewed = lines_about(gate, "break_glass")
    said = {"ticket": "T-1", "justification": "the old one is down"}
    assert first["details"] == {"step": "opened", **place, **said}
    assert used["details"] == {"step": "used", **place}
    assert reviewed["details"] == {"step": "reviewed", **place, "note": "fine"}
    for line in (first, used):
        assert (line["policy"], line["policy_digest"]) == policy_of(gate)
    (granted,) = lines_about(gate, "promotion_granted")
    assert granted["details"] == {"alias": "champion", "break_glass": number}


def test_what_is_refused_is_not_told_as_done(gate: Gate) -> None:
    gate.judged(backdoored())
    opened(gate)
    before = told(gate)
    with pytest.raises(InputError, match="is let through already"):
        opened(gate)
    with pytest.raises(InputError, match="ask somebody else"):
        review_break_glass(gate.plain.ManagedSessionMaker, gate.ledger, 1, "ok", "op", 1.0)
    assert told(gate) == before
    with assert_refused():
        promote(gate, "blue")
    assert told(gate) == [*before, "promotion_refused signs/1 ann (server)"]


def test_a_promotion_that_fails_later_uses_nothing_up(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.judged(backdoored())
    opened(gate)
    before = told(gate)

    def fails(*_: Any) -> None:
        raise RuntimeError("the log is away")

    with monkeypatch.context() as broken:
        broken.setattr(gate.ledger, "append_log", fails)
        with pytest.raises(Exception, match="the log is away"):
            promote(gate)
    assert told(gate) == before
    promote(gate)
    assert told(gate)[len(before) :] == [
        "break_glass signs/1 ann (server)",
        "promotion_granted signs/1 ann (server)",
    ]
