"""Versions from before the gate: put into the queue, and left as they are until their verdict."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from xray_gate.core.audit_line import Via, Who
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.rows import lock_model
from xray_gate.registry.transactions import transaction
from xray_gate.scan.inventory import Inventoried
from xray_gate.scan.work import VersionKey

Inventory = Callable[[Connection], Sequence[Inventoried]]


def queue(
    make_session: Callable[..., Any],
    ledger: LedgerPort,
    inventory: Inventory,
    by: str,
    now: float,
) -> list[VersionKey]:
    """Let every version of `inventory` wait for a scan that was READY before the gate saw it.

    `by` asks for it. Those that are promoted come first. A version's status, aliases and stage are
    left alone, and its files are handed out, or not, as before: by the policy's
    `unsafe_allow_unscanned_reads`. Only its verdict changes that.
    """

    def wanted(connection: Connection) -> list[Inventoried]:
        found = [one for one in inventory(connection) if one.can_be_queued]
        return sorted(found, key=lambda one: (not one.promotions, _sorted_by(one.key)))

    with transaction(make_session) as connection:
        # Two of these at once would queue a version twice, and a new name would cross it.
        ledger.lock_revocations(connection)
        for workspace, name in sorted({(o.key.workspace, o.key.name) for o in wanted(connection)}):
            lock_model(connection, workspace, name)
        queued, journal = wanted(connection), Journal(lambda: Who(Via.COMMAND, by))
        for one in queued:
            assert one.location is not None
            new = ledger.register(connection, one.key, one.location, now)
            details = {"registration": new, "location": one.location, "adopted": True}
            journal.registered(one.key, None, details)
        if notes := journal.take():
            ledger.append_log(connection, notes, now)
        return [one.key for one in queued]


def _sorted_by(key: VersionKey) -> tuple[str, str, int]:
    return key.workspace, key.name, key.version
