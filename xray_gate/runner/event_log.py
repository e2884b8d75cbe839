"""A runner's events as log records, each with its name and the facts that belong to it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from xray_gate.core.log_fields import log_fields
from xray_gate.runner.events import (
    Claimed,
    Lost,
    PutBack,
    RunnerEvent,
    Settled,
)
from xray_gate.scan.work import Lease

_logger = logging.getLogger(__name__)


class LogEvent(StrEnum):
    """The names of what a record of the runner tells, in its field `event`."""

    CLAIMED = "claimed"
    SETTLED = "settled"
    PUT_BACK = "put_back"
    DEAD_LETTER = "dead_letter"
    LEASE_LOST = "lease_lost"
    LOOK_FAILED = "look_failed"
    RENEWAL_FAILED = "renewal_failed"
    SCAN_FAILED = "scan_failed"
    KEEP_FAILED = "keep_failed"
    PUBLISH_FAILED = "publish_failed"
    WRITE_FAILED = "write_failed"
    NOT_RECORDED = "not_recorded"
    CHAMPION_MISSING = "champion_missing"
    TRAINING_DATA_MISSING = "training_data_missing"


def named(event: LogEvent, **facts: object) -> dict[str, Any]:
    """The `extra` of a record that tells of this."""
    return {"event": event.value, "facts": facts}


@contextmanager
def about(lease: Lease) -> Iterator[None]:
    """Every record until the context ends is about this version."""
    registration = lease.registration
    key = registration.key
    with log_fields(
        version=f"{key.name}/{key.version}",
        workspace=key.workspace,
        registration_id=registration.id,
        attempt=registration.attempts,
        runner=lease.owner,
    ):
        yield


def log_event(event: RunnerEvent) -> None:
    """An observer that writes down what became of a version, at levels that say how bad it is."""
    found = _record(event)
    if found is not None:
        level, name, message, facts = found
        _logger.log(level, "%s", message, extra=named(name, **facts))


_Record = tuple[int, LogEvent, str, Mapping[str, object]]


def _record(event: RunnerEvent) -> _Record | None:
    match event:
        case Claimed(lease):
            return logging.INFO, LogEvent.CLAIMED, f"{lease.registration.key}: claimed", {}
        case Settled():
            return _settled(event)
        case PutBack(lease, failure, seconds, reason):
            message = f"{lease.registration.key}: put back for {seconds:g} s ({reason})"
            facts = {"failure": failure.value, "retry_seconds": seconds}
            return logging.WARNING, LogEvent.PUT_BACK, message, facts
        case Lost(lease):
            message = f"{lease.registration.key}: the lease was lost; what was found is dropped"
            return logging.WARNING, LogEvent.LEASE_LOST, message, {}
        case _:
            # Failed looks and renewals are logged where they fail, with their traceback.
            return None


def _settled(event: Settled) -> _Record:
    decision, evidence = event.decision, event.evidence
    facts: dict[str, object] = {
        "verdict": decision.verdict.value,
        "enforcement": decision.enforcement.value,
        "admitted": decision.admits,
    }
    if event.failure is not None:
        facts["failure"] = event.failure.value
    if evidence is not None:
        facts["scan_id"] = evidence.scan_id
        facts["digest"] = evidence.model.digest
        facts["queries"] = sum(found.queries for found in evidence.detectors)
    key = event.lease.registration.key
    message = f"{key}: {decision.verdict} ({'; '.join(decision.reasons)})"
    if event.is_dead_letter:
        return logging.ERROR, LogEvent.DEAD_LETTER, f"{message}; given up", facts
    return logging.INFO, LogEvent.SETTLED, message, facts
