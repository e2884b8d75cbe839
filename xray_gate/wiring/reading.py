"""What people read of a registry's ledger."""

import time
from typing import Any

from xray_gate.ledger.history import past_scans
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.open_work import open_work
from xray_gate.ledger.status import status_row
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.replay import Promoted, Replayed, replay
from xray_gate.registry.promotions import is_free
from xray_gate.scan.work import Promotion, VersionKey, VersionState
from xray_gate.wiring.stores import existing_store


def read_status(
    registry_uri: str, workspace: str, name: str, version: int | None
) -> list[dict[str, Any]]:
    """What the ledger knows of a name's versions, newest first, or of one version."""
    ledger = Ledger()
    with existing_store(registry_uri).ManagedSessionMaker() as session:
        connection = session.connection()
        found = ledger.registrations_of(connection, workspace, name, version)
        return [status_row(ledger, connection, registration) for registration in found]


def read_open_work(registry_uri: str, workspace: str) -> list[dict[str, Any]]:
    """What the ledger knows of the versions that wait, or that runners gave up; oldest first.

    Then of those that an operator let through, while nobody has reviewed it.
    """
    ledger = Ledger()
    with existing_store(registry_uri).ManagedSessionMaker() as session:
        connection = session.connection()
        found = open_work(connection, workspace)
        found += [
            registration
            for registration in ledger.registrations_to_review(connection, workspace)
            if registration not in found
        ]
        return [status_row(ledger, connection, registration) for registration in found]


def read_attestation(registry_uri: str, workspace: str, name: str, version: int) -> str | None:
    """The signed verdict of a version, or None where nobody signed one."""
    ledger = Ledger()
    with existing_store(registry_uri).ManagedSessionMaker() as session:
        connection = session.connection()
        found = ledger.current(connection, VersionKey(workspace, name, version))
        return None if found is None else ledger.attestation_of(connection, found)


def replay_policies(registry_uri: str, workspace: str, policies: PolicySet) -> list[Replayed]:
    """What `policies` would make of all that was scanned in a workspace, oldest first."""
    now = time.time()

    def freely(policy: Policy, promoted: Promoted) -> bool:
        return is_free(policy, Promotion(*promoted))

    with existing_store(registry_uri).ManagedSessionMaker() as session:
        scans = past_scans(session.connection(), workspace, now)
        return list(replay(policies, scans, freely, now))


def dead_letters(registry_uri: str, workspace: str) -> list[VersionKey]:
    """The versions that runners gave up, oldest first."""
    with existing_store(registry_uri).ManagedSessionMaker() as session:
        found = open_work(session.connection(), workspace, [VersionState.DEAD_LETTER])
        return [registration.key for registration in found]
