"""One promotion past the verdict, on an operator's word: written down, used once, reviewed."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from xray_gate.core.audit_line import Via, Who
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import ModelFacts
from xray_gate.core.printable import without_controls
from xray_gate.policy.files import Policy
from xray_gate.registry.journal import Journal
from xray_gate.registry.ports import BreakGlassPort
from xray_gate.registry.promotions import PROMOTING_STAGES
from xray_gate.registry.rows import model_tags
from xray_gate.registry.transactions import transaction
from xray_gate.scan.work import (
    BreakGlass,
    Promotion,
    Registration,
    Review,
    VersionKey,
    VersionState,
)

_MOST_CHARACTERS = 2000
_WHY_NOT = {
    VersionState.WAITING: "waits for a scan, so nobody knows its bytes; start a runner",
    VersionState.REVOKED: "was withdrawn, and nothing changes that; promote another version",
    VersionState.DELETED: "was deleted; register it again",
}


def open_break_glass(
    make_session: Callable[..., Any],
    ledger: BreakGlassPort,
    key: VersionKey,
    promotion: Promotion,
    justification: str,
    by: str,
    now: float,
    ticket: str | None = None,
) -> BreakGlass:
    """Let this promotion of this version's bytes through once, for as long as the policy says.

    Raises `InputError` where the server's policy allows none, the version was not scanned, was
    withdrawn or deleted, or where one for the same promotion is open.
    """
    if promotion.kind == "stage" and promotion.value not in PROMOTING_STAGES:
        raise InputError(f"{promotion.value}: is no stage; use {' or '.join(PROMOTING_STAGES)}")
    with transaction(make_session) as connection:
        registration, model = _bytes_of(connection, ledger, key)
        policy = _policy(connection, ledger, key, model)
        assert policy.document.break_glass is not None
        for other in ledger.break_glasses(connection, registration):
            if other.promotion == promotion and _is_open(other, now):
                raise InputError(
                    f"{key}: {promotion.kind} {promotion.value} is let through already "
                    f"(number {other.id}); promote it"
                )
        opened = BreakGlass(
            id=0,
            key=key,
            digest=model.digest,
            promotion=promotion,
            justification=_said(justification, "--justification"),
            ticket=None if ticket is None else _said(ticket, "--ticket")[:500],
            by=_said(by, "--by")[:200],
            opened_at=now,
            until=now + 60.0 * policy.document.break_glass.minutes,
        )
        number = ledger.open_break_glass(connection, registration, opened)
        found = ledger.break_glass_of(connection, number)
        assert found is not None
        details = {"ticket": found.ticket, "justification": found.justification}
        _log(connection, ledger, found, "opened", found.by, details, now, policy)
    return found


def review_break_glass(
    make_session: Callable[..., Any],
    ledger: BreakGlassPort,
    number: int,
    note: str,
    by: str,
    now: float,
) -> BreakGlass:
    """Write down that somebody else has looked at it; it lets nothing through any more.

    Raises `InputError` for a number that there is not, a second review, and the operator's own.
    """
    with transaction(make_session) as connection:
        found = ledger.break_glass_of(connection, number)
        if found is None:
            raise InputError(f"{number}: there is no such break-glass; see `xray-gate status`")
        review = Review(_said(by, "--by")[:200], _said(note, "--note"), now)
        if review.by.casefold() == found.by.casefold():
            raise InputError(
                f"{number}: {found.by} let it through and cannot review it; ask somebody else"
            )
        if not ledger.review_break_glass(connection, number, review):
            raise InputError(f"{number}: was reviewed already; see `xray-gate status {found.key}`")
        reviewed = ledger.break_glass_of(connection, number)
        assert reviewed is not None
        _log(connection, ledger, reviewed, "reviewed", review.by, {"note": review.note}, now)
    return reviewed


def _log(
    connection: Connection,
    ledger: BreakGlassPort,
    one: BreakGlass,
    step: str,
    by: str,
    said: Mapping[str, Any],
    now: float,
    policy: Policy | None = None,
) -> None:
    journal = Journal(lambda: Who(Via.COMMAND, by))
    place = {"number": one.id, "digest": one.digest, one.promotion.kind: one.promotion.value}
    journal.break_glass(one.key, step, {**place, **said}, policy)
    ledger.append_log(connection, journal.take(), now)


def _policy(
    connection: Connection, ledger: BreakGlassPort, key: VersionKey, model: ModelFacts
) -> Policy:
    tags = model_tags(connection, key.workspace, key.name)
    policy = ledger.server_policies(connection).match(key.name, tags, model.flavours)
    if policy is None:
        raise InputError(
            f"{key.name}: no policy matches it; add it to match.registered_models of one"
        )
    if policy.document.break_glass is None:
        raise InputError(
            f"{key.name}: policy {policy.name} allows no break-glass; promote a version that "
            "passed, or have `break_glass` set there and the server look at it"
        )
    return policy


def _bytes_of(
    connection: Connection, ledger: BreakGlassPort, key: VersionKey
) -> tuple[Registration, ModelFacts]:
    registration = ledger.current(connection, key, lock=True)
    why_not = "has never been scanned; check the name, or register it again"
    if registration is not None:
        proof = ledger.proof_of(connection, registration)
        why_not = _WHY_NOT.get(registration.state, "")
        if not why_not and proof is not None and proof.revocation is not None:
            why_not = _WHY_NOT[VersionState.REVOKED]
        if not why_not and (proof is None or not proof.evidence.model.digest.startswith("sha256:")):
            why_not = "could not be read when it was scanned, so nobody knows its bytes; rescan it"
        if not why_not and proof is not None:
            return registration, proof.evidence.model
    raise InputError(f"{key}: {why_not}")


def _is_open(one: BreakGlass, now: float) -> bool:
    return one.used_at is None and one.review is None and now < one.until


def _said(text: str, option: str) -> str:
    said = without_controls(text).strip()
    if not said:
        raise InputError(f"{option} is empty; say it, for those who look at this later")
    if len(said) > _MOST_CHARACTERS:
        raise InputError(f"{option} is longer than {_MOST_CHARACTERS:,} characters; shorten it")
    return said
