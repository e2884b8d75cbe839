"""What people do to versions in a registry's ledger."""

import time

from xray_gate.ledger.ledger import Ledger
from xray_gate.registry.breaking_glass import open_break_glass, review_break_glass
from xray_gate.registry.rescanning import rescan
from xray_gate.registry.revoking import Withdrawn, revoke
from xray_gate.scan.work import BreakGlass, Promotion, Revocation, VersionKey
from xray_gate.wiring.stores import existing_store


def revoke_version(
    registry_uri: str, key: VersionKey, reason: str, by: str
) -> tuple[Revocation, list[Withdrawn]]:
    """Withdraw the admission of a version's bytes; see `registry.revoking.revoke`."""
    make_session = existing_store(registry_uri).ManagedSessionMaker
    return revoke(make_session, Ledger(), key, reason, by, time.time())


def rescan_version(registry_uri: str, key: VersionKey, by: str) -> None:
    """Put a version into the queue again; see `registry.rescanning.rescan`."""
    rescan(existing_store(registry_uri).ManagedSessionMaker, Ledger(), key, by, time.time())


def break_glass(
    registry_uri: str,
    key: VersionKey,
    promotion: Promotion,
    justification: str,
    by: str,
    ticket: str | None,
) -> BreakGlass:
    """Let one promotion through; see `registry.breaking_glass.open_break_glass`."""
    make_session = existing_store(registry_uri).ManagedSessionMaker
    return open_break_glass(
        make_session, Ledger(), key, promotion, justification, by, time.time(), ticket
    )


def review_broken_glass(registry_uri: str, number: int, note: str, by: str) -> BreakGlass:
    """Write a review down; see `registry.breaking_glass.review_break_glass`."""
    make_session = existing_store(registry_uri).ManagedSessionMaker
    return review_break_glass(make_session, Ledger(), number, note, by, time.time())
