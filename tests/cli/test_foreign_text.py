"""What registrants and files are called never acts on the terminal, nor begins a line there."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.support.evidence import clean, policy_document, unscannable, write_policy
from tests.support.gate import Gate
from xray_gate.cli.foreign import echo
from xray_gate.policy.decision import decide
from xray_gate.scan.work import Settlement

NAME = "signs\x1b]0;title\x07\r\n  verdict   passed\u202e\x9b2J"
WHY = "cannot be read\x1b]0;title\x07\n  verdict   passed"


def _waiting(gate: Gate) -> None:
    gate.register(NAME)
    lease = gate.work.claim()
    assert lease is not None
    gate.work.put_back(lease, "away", 0.0)


def _refused(gate: Gate) -> None:
    gate.judged(replace(unscannable(), obstacle=WHY), NAME)


def _given_up(gate: Gate) -> None:
    gate.register(NAME)
    lease = gate.work.claim()
    assert lease is not None
    policy = gate.work.policy_for(lease)
    assert policy is not None
    evidence = unscannable()
    gate.work.finish(lease, Settlement(evidence, decide(policy, evidence), policy, gave_up=True))


def _promoted(gate: Gate) -> None:
    gate.judged(clean(), NAME)
    gate.store.set_registered_model_alias(NAME, "champion", 1)


def _before_the_gate(gate: Gate) -> None:
    gate.unscanned(NAME)


@pytest.mark.parametrize(
    ("prepare", "arguments"),
    [
        (_waiting, ["status"]),
        (_refused, ["status", NAME]),
        (_refused, ["rescan", f"{NAME}/1"]),
        (_given_up, ["rescan", "--dead-letters"]),
        (_given_up, ["status"]),
        (_promoted, ["revoke", f"{NAME}/1", "--reason", "a test"]),
        (_promoted, ["policy", "replay", "{strict}"]),
        (_before_the_gate, ["doctor"]),
        (_promoted, ["rescan", f"{NAME}/1"]),
        (_promoted, ["adopt"]),
        (_promoted, ["break-glass", f"{NAME}/1", "--alias", "a", "--justification", "a test"]),
    ],
)
def test_names_and_reasons_are_shown_as_text(
    prepare: Callable[[Gate], None],
    arguments: list[str],
    sqlite_database: str,
    tmp_path: Path,
    command: Command,
) -> None:
    gate = Gate(sqlite_database, tmp_path / "policies")
    prepare(gate)
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 99.0, "source": "a test"}
    detectors = {"model_xray": {"thresholds": [bound]}}
    strict = write_policy(tmp_path / "strict", policy_document(detectors=detectors))
    given = [str(strict) if one == "{strict}" else one for one in arguments]
    done = command(*given, "--registry-uri", f"xray-gate+{sqlite_database}")
    said = done.out + done.err
    assert "signs\\x1b]0;title\\x07\\r\\n" in said
    _assert_harmless(said)


def _assert_harmless(text: str) -> None:
    acting = {char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf")}
    assert not acting
    assert not [line for line in text.splitlines() if line.startswith("  verdict   passed")]


def test_an_error_is_shown_as_text(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a\x1b]0;title\x07").symlink_to(tmp_path)
    probes = Path("xray_gate/data/demo/probes.npz").absolute()
    done = command("scan", folder, "--probes", probes)
    assert "a\\x1b]0;title\\x07: " in done.err
    _assert_harmless(done.err)


def test_lines_of_our_own_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    echo("first\n  second\x07")
    assert capsys.readouterr().out == "first\n  second\\x07\n"
