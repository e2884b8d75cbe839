from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runner.test_loop import Bench
from tests.signing.making import KEY, NOW, output_of, trusting, write_model
from tests.support.evidence import backdoored, clean
from tests.support.gate import SOURCE, Gate
from xray_gate.core.evidence import Evidence
from xray_gate.ledger.tables import verdicts
from xray_gate.scan.work import ScanOutput
from xray_gate.signing.attesting import Attesting
from xray_gate.signing.verification import Expected, Verification, verify


class SigningBench(Bench):
    """A runner with a key, whose scans find something about the files of a small model."""

    def __init__(self, gate: Gate, folder: Path) -> None:
        super().__init__(gate, folder / "files")
        self.model = write_model(folder / "model")

    def run_on(self, find: Callable[[], Evidence], **changes: Any) -> int:
        def scan(*_: object) -> ScanOutput:
            return output_of(self.model, find())

        return self.run(**{"scan": scan, "sign": Attesting(KEY, lambda: NOW), **changes})

    def attestation(self) -> str | None:
        registration = self.gate.registration()
        assert registration is not None
        with self.gate.connection() as connection:
            return self.gate.ledger.attestation_of(connection, registration)

    def verified(self) -> Verification:
        attestation = self.attestation()
        assert attestation is not None
        return verify(self.model, attestation.encode(), trusting(KEY), Expected(), NOW)


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> SigningBench:
    return SigningBench(Gate(sqlite_database, tmp_path / "policies"), tmp_path)


def test_a_verdict_is_signed_logged_and_recorded(bench: SigningBench) -> None:
    bench.gate.register()
    assert bench.run_on(clean) == 1
    assert bench.verified().holds
    assert bench.reports.attestations == [bench.attestation()]


def test_a_version_that_fails_has_a_signed_verdict_that_does_not_hold(bench: SigningBench) -> None:
    bench.gate.register()
    bench.run_on(backdoored)
    answer = bench.verified()
    assert answer.statement is not None
    assert answer.statement.predicate.verificationResult == "FAILED"
    assert not answer.holds


def test_the_servers_policy_is_the_one_that_is_signed(bench: SigningBench) -> None:
    bench.gate.register()
    bench.run_on(clean)
    statement, policy = bench.verified().statement, bench.gate.parts.policies().match("signs")
    assert statement is not None
    assert policy is not None
    assert f"sha256:{statement.predicate.policy.digest.sha256}" == policy.digest


def test_what_could_not_be_fetched_has_no_attestation(bench: SigningBench) -> None:
    bench.gate.register()
    bench.files.missing.add(SOURCE)
    assert bench.run_on(clean) == 1
    assert bench.version().status == "FAILED_REGISTRATION"
    assert bench.attestation() is None


def test_a_tracking_server_that_is_down_does_not_keep_a_verdict_unsigned(
    bench: SigningBench,
) -> None:
    bench.gate.register()
    bench.reports.broken = True
    bench.run_on(clean)
    assert bench.verified().holds


def test_with_a_key_no_verdict_is_recorded_unsigned(bench: SigningBench) -> None:
    def fail(*_: object) -> str:
        raise OSError(5, "the key is on a disk that is gone")

    bench.gate.register()
    assert bench.run_on(clean, sign=fail) == 0
    assert bench.count(verdicts) == 0
    assert bench.version().status == "PENDING_REGISTRATION"
    assert "a disk that is gone" in bench.version().status_message


def test_a_pass_without_files_is_not_recorded_either(bench: SigningBench) -> None:
    bench.gate.register()
    assert bench.run(sign=Attesting(KEY, lambda: NOW)) == 0
    assert bench.version().status == "PENDING_REGISTRATION"
    assert "of which no file was looked at" in bench.version().status_message
