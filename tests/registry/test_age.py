"""A scan grows old."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.evidence import clean
from tests.support.gate import Gate, assert_refused


def scanned(days_ago: float, gate: Gate) -> None:
    then = datetime.now(UTC) - timedelta(days=days_ago)
    gate.judged(replace(clean(), finished_at=then.isoformat()))


def promoted(gate: Gate) -> list[str]:
    """The aliases that the version has, after it was given one."""
    gate.store.set_registered_model_alias("signs", "champion", 1)
    return list(gate.store.get_model_version("signs", 1).aliases)


@pytest.mark.parametrize("days_ago", [31.0, -1.0])
def test_a_scan_that_is_too_old_or_of_the_future_admits_nothing(
    gate: Gate, days_ago: float
) -> None:
    gate.set_policy(max_age_days=30)
    scanned(days_ago, gate)
    with assert_refused("the policy believes a scan for 30 days; register it again"):
        gate.store.set_registered_model_alias("signs", "champion", 1)
    # What runs goes on: taking a model out of production is for those who run it.
    assert gate.store.get_model_version_download_uri("signs", 1)


def test_a_scan_that_is_young_enough_admits(gate: Gate) -> None:
    gate.set_policy(max_age_days=30)
    scanned(29, gate)
    assert promoted(gate) == ["champion"]


def test_without_an_age_a_scan_admits_for_ever(gate: Gate) -> None:
    scanned(5000, gate)
    assert promoted(gate) == ["champion"]


def test_a_trial_does_not_ask_for_the_age(gate: Gate) -> None:
    gate.set_policy(max_age_days=30, enforcement="warn")
    scanned(31, gate)
    assert promoted(gate) == ["champion"]
