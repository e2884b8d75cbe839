"""What a runner does with the bytes that it scanned."""

from pathlib import Path

import pytest

from tests.runner.test_loop import Bench
from tests.support.evidence import backdoored, day, unscannable, write_exception
from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.core.errors import ScanError
from xray_gate.core.verdict import Decision
from xray_gate.policy.files import Policy
from xray_gate.registry.revoking import revoke
from xray_gate.runner.parts import Retries
from xray_gate.scan.work import ScanOutput, VersionKey

DIGEST = "sha256:" + "ab" * 32
NO_ROOM = "the scanned bytes could not be kept at s3://kept (no room); give it another place"


# Whatever fails is not tried again.
LAST = Retries(tries=1, short_pauses=())


@pytest.fixture
def bench(sqlite_database: str, tmp_path: Path) -> Bench:
    return Bench(Gate(sqlite_database, tmp_path / "policies"), tmp_path / "files")


def place(bench: Bench) -> str:
    return str(bench.gate.store.get_model_version_download_uri("signs", 1))


def test_everybody_downloads_what_was_scanned(bench: Bench) -> None:
    bench.gate.register()
    bench.run()
    assert bench.kept.digests == [DIGEST]
    assert place(bench) == "s3://kept/1"
    # Where it came from stays to be seen.
    assert bench.version().source == SOURCE


def test_what_is_refused_is_kept_for_a_policy_that_may_admit_it(bench: Bench) -> None:
    bench.gate.register()
    bench.scans.find = backdoored
    bench.run()
    assert bench.kept.digests == [DIGEST]
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 0.1, "source": "a new bound"}
    bench.gate.set_policy(detectors={"model_xray": {"thresholds": [bound]}})
    bench.gate.store.set_registered_model_alias("signs", "champion", 1)
    assert bench.version().aliases == ["champion"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ScanError(NO_ROOM), NO_ROOM),
        (ZeroDivisionError("division by zero"), "a bug of ours: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_kept_does_not_pass(bench: Bench, error: Exception, reason: str) -> None:
    bench.gate.register()
    bench.kept.error = error
    assert bench.run(retries=LAST) == 1
    assert bench.version().status == "FAILED_REGISTRATION"
    assert f"could not be decided. {reason}" in bench.version().status_message
    assert bench.reports.logged == [("signs/1", "undecided", "images")]
    with assert_refused("the verdict under policy images is undecided"):
        bench.gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_suspicion_stands_though_nothing_can_be_kept(bench: Bench) -> None:
    bench.gate.register()
    bench.scans.find = backdoored
    bench.kept.error = ScanError(NO_ROOM)
    bench.run()
    assert "suspected backdoor" in bench.version().status_message


def test_what_is_excused_is_kept_and_ready(bench: Bench) -> None:
    bench.gate.set_policy(exceptions={"most_days": 30})
    write_exception(bench.gate.folder)
    bench.gate.register()
    bench.scans.find = backdoored
    bench.run()
    assert bench.version().status == "READY"
    assert f"Admitted by 1 exception, expires on {day(12)}." in bench.version().status_message
    # What is said of the model stays what it is.
    assert bench.reports.logged == [("signs/1", "failed", "images")]
    assert place(bench) == "s3://kept/1"


def test_what_cannot_be_kept_is_not_excused(bench: Bench) -> None:
    """An exception is for bytes: later, others may lie where these came from."""
    bench.gate.set_policy(exceptions={"most_days": 30})
    write_exception(bench.gate.folder)
    bench.gate.register()
    bench.scans.find = backdoored
    bench.kept.error = ScanError(NO_ROOM)
    bench.run()
    assert bench.version().status == "FAILED_REGISTRATION"
    assert "exception" not in bench.version().status_message
    with assert_refused("signs/1 cannot be read: the verdict is failed"):
        place(bench)


def test_a_trial_does_not_stop_at_bytes_that_cannot_be_kept(bench: Bench) -> None:
    bench.gate.set_policy(enforcement="audit")
    bench.gate.register()
    bench.kept.error = ScanError(NO_ROOM)
    assert bench.run(retries=LAST) == 1
    assert bench.version().status == "READY"
    assert place(bench) == SOURCE
    bench.gate.store.set_registered_model_alias("signs", "champion", 1)


def test_a_policy_that_compares_at_each_promotion_keeps_nothing(bench: Bench) -> None:
    bench.gate.set_policy(same_bytes="verify")
    bench.gate.register()
    bench.run()
    assert bench.kept.digests == []
    assert bench.version().status == "READY"
    assert place(bench) == SOURCE


def test_what_was_not_kept_needs_a_new_scan_where_the_policy_wants_it_kept(bench: Bench) -> None:
    bench.gate.set_policy(same_bytes="verify")
    bench.gate.register()
    bench.run()
    bench.gate.set_policy()
    with assert_refused("its bytes were not kept when it was scanned"):
        bench.gate.store.set_registered_model_alias("signs", "champion", 1)


def test_what_could_not_be_scanned_is_not_kept(bench: Bench) -> None:
    """It may be no model, but what the runner may read and its registrant may not."""
    bench.gate.register()
    bench.scans.find = unscannable
    bench.run()
    assert bench.kept.digests == []
    assert bench.gate.store.get_model_version("signs", 1).status == "FAILED_REGISTRATION"


def test_withdrawn_bytes_are_not_signed_when_they_come_again(bench: Bench) -> None:
    signed: list[str] = []

    def sign(output: ScanOutput, decision: Decision, policy: Policy) -> str | None:
        signed.append(decision.verdict)
        return "an envelope"

    bench.gate.register()
    bench.run(sign=sign)
    key = VersionKey("default", "signs", 1)
    revoke(bench.gate.plain.ManagedSessionMaker, bench.gate.ledger, key, "stolen data", "ann", 0.0)
    bench.gate.register()
    bench.run(sign=sign)
    assert signed == ["passed", "undecided"]
    assert [verdict for _, verdict, _ in bench.reports.logged] == ["passed", "undecided"]
    for number in (1, 2):
        registration = bench.gate.registration(version=number)
        assert registration is not None
        with bench.gate.connection() as connection:
            assert bench.gate.ledger.attestation_of(connection, registration) is None


def test_what_an_unsafe_rule_admits_is_kept_so_that_it_can_be_promoted(bench: Bench) -> None:
    bench.gate.set_policy(unsafe_admit_undecided=True)
    bench.gate.register()
    bench.scans.find = unscannable
    bench.run()
    assert bench.kept.digests == [DIGEST]
    bench.gate.store.set_registered_model_alias("signs", "champion", 1)
    assert place(bench) == "s3://kept/1"
