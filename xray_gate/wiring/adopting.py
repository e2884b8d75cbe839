"""A registry with a history, taken over by the gate."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from xray_gate.core.errors import PolicyError
from xray_gate.ledger.coverage import inventory
from xray_gate.ledger.history import past_scans
from xray_gate.ledger.ledger import Ledger
from xray_gate.policy.exception_drafts import Draft, drafts
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.matching import Undetermined
from xray_gate.registry.adopting import queue
from xray_gate.registry.rows import model_tags
from xray_gate.scan.inventory import Inventoried
from xray_gate.scan.work import VersionKey
from xray_gate.wiring.stores import existing_store, registry_engine


@dataclass(frozen=True)
class Choice:
    """The policy for a version, or none.

    Where that hangs on its flavours, which nobody knows before a scan, it `is_open`, and these are
    the policies that it may be.
    """

    policies: Sequence[Policy] = ()
    is_open: bool = False


@dataclass(frozen=True)
class Adoption:
    """The versions of a workspace with the policy for each; `queued` were put there just now."""

    versions: Sequence[tuple[Inventoried, Choice]]
    queued: Sequence[VersionKey] = ()


def adopt(registry_uri: str, workspace: str, by: str, *, put_in_queue: bool) -> Adoption:
    """What stands in the registry; puts into the queue what has a policy and was never scanned.

    `by` asks for it. A version without a policy would be refused for that, so it is left as it is.
    `PolicyError` where no server has written its policies down yet.
    """
    store = existing_store(registry_uri)
    with store.engine.connect() as connection:
        policies = _policies(connection)

    def found(connection: Connection) -> list[Inventoried]:
        return [one for one in inventory(connection) if one.key.workspace == workspace]

    queued: list[VersionKey] = []
    if put_in_queue:

        def wanted(connection: Connection) -> list[Inventoried]:
            return [one for one, own in _with_policies(connection, policies, found) if own.policies]

        queued = queue(store.ManagedSessionMaker, Ledger(), wanted, by, time.time())
    with store.engine.connect() as connection:
        versions = _with_policies(connection, policies, found)
    return Adoption(versions, queued)


def draft_exceptions(registry_uri: str, workspace: str, days: int) -> list[Draft]:
    """Exceptions for what is promoted and would be refused; see `policy.exception_drafts`."""
    now = time.time()
    with registry_engine(registry_uri).connect() as connection:
        scans = past_scans(connection, workspace, now)
        return drafts(_policies(connection), scans, days, now)


def _policies(connection: Connection) -> PolicySet:
    return Ledger().server_policies(connection)


def _with_policies(
    connection: Connection,
    policies: PolicySet,
    found: Callable[[Connection], list[Inventoried]],
) -> list[tuple[Inventoried, Choice]]:
    versions = found(connection)
    names = {(one.key.workspace, one.key.name) for one in versions}
    tags = {of_model: model_tags(connection, *of_model) for of_model in names}
    own = {of_model: _own(policies, of_model[1], tags[of_model]) for of_model in names}
    return [(one, own[one.key.workspace, one.key.name]) for one in versions]


def _own(policies: PolicySet, name: str, tags: Mapping[str, str]) -> Choice:
    try:
        policy = policies.match(name, tags)
    except Undetermined:
        return Choice(policies.candidates(name, tags), is_open=True)
    except PolicyError:
        return Choice()
    return Choice() if policy is None else Choice((policy,))
