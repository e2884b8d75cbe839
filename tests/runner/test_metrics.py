"""What Prometheus reads, after each thing that can happen to a version."""

from dataclasses import replace

import pytest

from tests.runner.watching import FIGURES, Clock, bad_luck, lease, metrics_of, settled
from tests.support.evidence import backdoored, clean, unscannable
from xray_gate import __version__
from xray_gate.core.verdict import Enforcement, Verdict
from xray_gate.runner.events import (
    Claimed,
    FailureKind,
    Looked,
    LookFailed,
    Lost,
    PutBack,
    RenewalFailed,
    Renewed,
)
from xray_gate.runner.metrics import RunnerMetrics

HOSTILE = 'signs"} 7\n# HELP forged\x1b[2J'


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> RunnerMetrics:
    return RunnerMetrics(lambda: FIGURES, clock=clock, timer=clock)


def test_every_series_is_there_before_anything_happens(metrics: RunnerMetrics) -> None:
    found = metrics_of(metrics.exposition())
    verdicts = [series for series in found.values if series.startswith("xray_gate_verdicts_total")]
    assert len(verdicts) == len(Verdict) * len(Enforcement)
    failures = [s for s in found.values if s.startswith("xray_gate_scan_failures_total")]
    assert len(failures) == len(FailureKind)
    assert {found.values[series] for series in (*verdicts, *failures)} == {0.0}
    assert found.values["xray_gate_scan_seconds_count"] == 0
    assert found.values["xray_gate_last_look_timestamp_seconds"] == 0
    assert found.values[f'xray_gate_build_info{{version="{__version__}"}}'] == 1


def test_every_metric_has_a_help_text_and_a_unit_in_its_name(metrics: RunnerMetrics) -> None:
    found = metrics_of(metrics.exposition())
    assert all(text.endswith(".") for text in found.help.values())
    assert all(name.startswith("xray_gate_") for name in found.help)
    assert found.types["xray_gate_scan_seconds"] == "histogram"
    assert found.types["xray_gate_queries"] == "counter"
    counted = {name for name, kind in found.types.items() if kind == "counter"}
    assert {f"{name}_total" in found.names for name in counted} == {True}


def test_a_pass_and_a_fail_are_counted_with_their_time_and_queries(
    metrics: RunnerMetrics, clock: Clock
) -> None:
    for evidence, seconds in ((clean(), 4.0), (backdoored(), 400.0), (clean(), 9_000.0)):
        metrics(Claimed(lease()))
        clock.now += seconds
        metrics(settled(evidence))
    found = metrics_of(metrics.exposition()).values
    verdict = "xray_gate_verdicts_total"
    assert found[f'{verdict}{{enforcement="enforce",verdict="passed"}}'] == 2
    assert found[f'{verdict}{{enforcement="enforce",verdict="failed"}}'] == 1
    assert found["xray_gate_queries_total"] == 300
    assert found["xray_gate_scan_seconds_sum"] == 9_404.0
    buckets = [found[f'xray_gate_scan_seconds_bucket{{le="{le}"}}'] for le in ("2.0", "5.0")]
    assert buckets == [0, 1]
    assert found['xray_gate_scan_seconds_bucket{le="600.0"}'] == 2
    assert found['xray_gate_scan_seconds_bucket{le="3600.0"}'] == 2
    assert found['xray_gate_scan_seconds_bucket{le="+Inf"}'] == 3


def test_what_could_not_be_scanned_is_a_failure_and_an_undecided_verdict(
    metrics: RunnerMetrics,
) -> None:
    metrics(Claimed(lease()))
    metrics(settled(unscannable(), FailureKind.MODEL))
    found = metrics_of(metrics.exposition()).values
    assert found['xray_gate_verdicts_total{enforcement="enforce",verdict="undecided"}'] == 1
    assert found['xray_gate_scan_failures_total{reason="model"}'] == 1


def test_what_is_put_back_or_lost_is_no_verdict(metrics: RunnerMetrics, clock: Clock) -> None:
    for event in (PutBack(lease(), FailureKind.BUG, 30.0, HOSTILE), Lost(lease())):
        metrics(Claimed(lease()))
        clock.now += 5
        metrics(event)
    found = metrics_of(metrics.exposition()).values
    assert sum(n for name, n in found.items() if name.startswith("xray_gate_verdicts")) == 0
    assert found["xray_gate_scan_seconds_count"] == 0
    assert found['xray_gate_scan_failures_total{reason="bug"}'] == 1
    assert found["xray_gate_put_back_total"] == 1
    assert found["xray_gate_dead_letters_total"] == 0
    assert found["xray_gate_leases_lost_total"] == 1
    assert found["xray_gate_current_scan_seconds"] == 0


@pytest.mark.parametrize(("enforcement", "dead"), [("enforce", 1), ("audit", 0)])
def test_what_is_given_up_is_a_dead_letter_unless_it_is_admitted(
    enforcement: str, dead: int, metrics: RunnerMetrics
) -> None:
    event = settled(unscannable(), FailureKind.NEVER_ENDED)
    decision = replace(event.decision, enforcement=Enforcement(enforcement))
    metrics(replace(event, decision=decision, gave_up=True))
    found = metrics_of(metrics.exposition()).values
    series = f'xray_gate_verdicts_total{{enforcement="{enforcement}",verdict="undecided"}}'
    assert found[series] == 1
    assert found["xray_gate_dead_letters_total"] == dead
    assert found['xray_gate_scan_failures_total{reason="never_ended"}'] == 1


def test_the_version_that_is_held_shows_for_how_long(metrics: RunnerMetrics, clock: Clock) -> None:
    metrics(Claimed(lease()))
    clock.now += 70
    metrics(Renewed(lease()))
    metrics(RenewalFailed(lease(), bad_luck()))
    assert metrics_of(metrics.exposition()).values["xray_gate_current_scan_seconds"] == 70


def test_what_the_registry_did_not_take_is_no_longer_held(
    metrics: RunnerMetrics, clock: Clock
) -> None:
    metrics(Claimed(lease()))
    clock.now += 70
    metrics(LookFailed(bad_luck()))
    assert metrics_of(metrics.exposition()).values["xray_gate_current_scan_seconds"] == 0


def test_only_a_look_that_was_answered_counts(metrics: RunnerMetrics, clock: Clock) -> None:
    clock.now = 1_700_000_000.0
    metrics(Looked(idle=True))
    clock.now += 60
    metrics(LookFailed(bad_luck()))
    found = metrics_of(metrics.exposition()).values
    assert found["xray_gate_last_look_timestamp_seconds"] == 1_700_000_000.0


def test_the_queue_is_told_by_state(metrics: RunnerMetrics) -> None:
    found = metrics_of(metrics.exposition()).values
    length = "xray_gate_queue_length"
    states = {state: found[f'{length}{{state="{state}"}}'] for state in ("waiting", "leased")}
    assert states == {"waiting": 3, "leased": 2}
    assert found[f'{length}{{state="retrying"}}'] == 1
    assert found["xray_gate_oldest_waiting_seconds"] == 12.5
    assert found["xray_gate_registry_up"] == 1


def test_figures_that_cannot_be_had_are_not_shown_as_old_ones_or_none() -> None:
    found = metrics_of(RunnerMetrics(lambda: None).exposition())
    assert found.values["xray_gate_registry_up"] == 0
    assert not [name for name in found.values if "queue_length" in name or "oldest" in name]


def test_no_name_of_a_model_is_shown(metrics: RunnerMetrics) -> None:
    """Registrants choose names and reasons carry their text; labels have closed sets of values."""
    before = set(metrics_of(metrics.exposition()).values)
    metrics(Claimed(lease(HOSTILE)))
    metrics(settled(unscannable(HOSTILE), FailureKind.MODEL, HOSTILE))
    text = metrics.exposition().decode()
    assert set(metrics_of(text.encode()).values) == before
    assert "forged" not in text


def test_two_runners_in_one_process_do_not_mix() -> None:
    one, other = RunnerMetrics(lambda: FIGURES), RunnerMetrics(lambda: FIGURES)
    one(Claimed(lease()))
    one(settled(clean()))
    passed = 'xray_gate_verdicts_total{enforcement="enforce",verdict="passed"}'
    counted = [metrics_of(each.exposition()).values[passed] for each in (one, other)]
    assert counted == [1, 0]
