"""Lets a version that was refused be scanned once more: its files, by the policy of today."""

from collections.abc import Callable
from typing import Any

from xray_gate.core.audit_line import Via, Who
from xray_gate.core.errors import InputError
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import RequeueingPort
from xray_gate.registry.refusal import status_text
from xray_gate.registry.rows import version_row
from xray_gate.registry.transactions import transaction
from xray_gate.registry.version_status import set_waiting
from xray_gate.scan.work import VersionKey, VersionState

_WHY_NOT = {
    VersionState.ADMITTED: (
        "is admitted, and would not be while it waits for a new scan; register its source as a new "
        "version, and move the alias when that one has passed"
    ),
    VersionState.REVOKED: "was withdrawn, and no scan changes that; register another model",
    VersionState.DELETED: "was deleted; register it again",
}
_WAITS = status_text("waiting for a new scan.")


def rescan(
    make_session: Callable[..., Any], ledger: RequeueingPort, key: VersionKey, by: str, now: float
) -> None:
    """Put a refused version, or a dead letter, into the queue as if it were new.

    `by` asks for it, `now` (seconds since the epoch). One that waits already is tried at once.
    Verdicts and evidence so far stay in the ledger. Raises `InputError` for a version that the gate
    has not seen, that is admitted, withdrawn or deleted.
    """
    with transaction(make_session) as connection:
        registration = ledger.current(connection, key, lock=True)
        if registration is None:
            raise InputError(
                f"{key}: the gate has seen no such version; check the name, or register it again"
            )
        why_not = _WHY_NOT.get(registration.state)
        row = version_row(connection, key)
        # One from before the gate stays what it is until its verdict.
        is_live = (
            registration.state is VersionState.WAITING and row is not None and row.status == "READY"
        )
        if why_not is None and not is_live and not set_waiting(connection, key, _WAITS):
            why_not = _WHY_NOT[VersionState.DELETED]
        if why_not is not None:
            raise InputError(f"{key}: {why_not}")
        ledger.requeue(connection, registration.id)
        journal = Journal(lambda: Who(Via.COMMAND, by))
        journal.rescan_asked(key, registration.state)
        ledger.append_log(connection, journal.take(), now)
