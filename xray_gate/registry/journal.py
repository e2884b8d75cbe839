"""What one transaction does to versions, gathered for the audit log and written when it commits.

Lines are appended last: their lock is the one that every writer waits for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlflow.exceptions import MlflowException

from xray_gate.core.audit_line import LogEvent, LogNote, Who, bounded_reasons
from xray_gate.core.verdict import NO_POLICY, Decision
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.registry.refusal import MESSAGE_START
from xray_gate.scan.work import Revocation, VersionKey, VersionState

_MOST_POLICIES = 50


class Journal:
    """The notes of one transaction; `who` says who caused it.

    `refused` is the promotion that was asked and refused, for whoever sees the transaction fail:
    nothing of a transaction that is rolled back stays.
    """

    def __init__(self, who: Callable[[], Who]) -> None:
        self._who = who
        self._notes: list[LogNote] = []
        self.refused: LogNote | None = None

    def take(self) -> list[LogNote]:
        """What is to be appended now; it is forgotten here."""
        notes, self._notes = self._notes, []
        return notes

    def registered(
        self, key: VersionKey, policy: Policy | None, details: Mapping[str, Any]
    ) -> None:
        """A version came into the ledger."""
        self._add(LogEvent.REGISTERED, key, details, policy)

    def verdict(
        self,
        key: VersionKey,
        row: int,
        decision: Decision,
        policy: tuple[str, str],
        details: Mapping[str, Any],
    ) -> None:
        """A verdict was recorded; `row` is its id in the ledger."""
        of_verdict = verdict_details(row, decision)
        note = LogNote(
            LogEvent.VERDICT,
            self._who(),
            *_place(key),
            {**of_verdict, **details},
            None if policy == NO_POLICY else policy,
        )
        self._notes.append(note)

    def scanned(self, key: VersionKey, policy: Policy, details: Mapping[str, Any]) -> None:
        """Evidence was recorded."""
        self._add(LogEvent.SCANNED, key, details, policy)

    def gave_up(self, key: VersionKey, tries: int, decision: Decision) -> None:
        """Runners tried it as often as they do."""
        reasons = bounded_reasons(decision.reasons)
        self._add(LogEvent.GAVE_UP, key, {"tries": tries, "reasons": reasons}, None)

    def exceptions_used(
        self, key: VersionKey, decision: Decision, policy: Policy, digest: str
    ) -> None:
        """Reviewed exceptions admit a version from now on; nothing, where none did."""
        if decision.excused_by:
            used = [f"{one.name} ({one.rule}, {one.ticket})" for one in decision.excused_by]
            until = min(decision.excused_by, key=lambda one: one.until).expires
            details = {"digest": digest, "exceptions": bounded_reasons(used), "until": until}
            self._add(LogEvent.EXCEPTION_USED, key, details, policy)

    def break_glass(
        self, key: VersionKey, step: str, details: Mapping[str, Any], policy: Policy | None
    ) -> None:
        """An operator's word was `opened`, `used` or `reviewed`."""
        self._add(LogEvent.BREAK_GLASS, key, {"step": step, **details}, policy)

    def revoked(self, key: VersionKey, revocation: Revocation, versions: int) -> None:
        """Bytes were withdrawn, and with them so many versions."""
        details = {"digest": revocation.digest, "reason": revocation.reason, "versions": versions}
        self._add(LogEvent.REVOKED, key, details, None)

    def rescan_asked(self, key: VersionKey, state: VersionState) -> None:
        """A version waits again, that was in `state`."""
        self._add(LogEvent.RESCAN_ASKED, key, {"was": str(state)}, None)

    @contextmanager
    def asked(self, key: VersionKey, what: Mapping[str, Any]) -> Iterator[None]:
        """A promotion is asked for; a refusal within is remembered as one of it."""
        try:
            yield
        except MlflowException as refused:
            reason = str(refused.message).removeprefix(f"{MESSAGE_START} ")
            self.refused = LogNote(
                LogEvent.PROMOTION_REFUSED, self._who(), *_place(key), {**what, "reason": reason}
            )
            raise

    def granted(self, key: VersionKey, what: Mapping[str, Any], policy: Policy) -> None:
        """The promotion happens."""
        self._add(LogEvent.PROMOTION_GRANTED, key, what, policy)

    def renamed(self, key: VersionKey, new_name: str) -> None:
        """A version follows its registered model's new name."""
        self._add(LogEvent.RENAMED, key, {"to": new_name}, None)

    def deleted(self, key: VersionKey) -> None:
        """A version is gone."""
        self._add(LogEvent.DELETED, key, {}, None)

    def policy_changed(self, policies: PolicySet) -> None:
        """The server goes by other policies than those that were written down before."""
        named = [f"{one.name} {one.digest}" for one in policies.policies]
        left = len(named) - _MOST_POLICIES
        shown = [*named[:_MOST_POLICIES], f"and {left} more"] if left > 0 else named
        # Whose request made the server read them says nothing of who changed them.
        who = Who(self._who().via)
        details = {"digest": policies.digest, "policies": shown}
        self._notes.append(LogNote(LogEvent.POLICY_CHANGED, who, details=details))

    def _add(
        self, event: LogEvent, key: VersionKey, details: Mapping[str, Any], policy: Policy | None
    ) -> None:
        named = None if policy is None else (policy.name, policy.digest)
        self._notes.append(LogNote(event, self._who(), *_place(key), details, named))


def verdict_details(row: int, decision: Decision) -> dict[str, Any]:
    """What a line says of a verdict."""
    return {
        "row": row,
        "verdict": str(decision.verdict),
        "admits": decision.admits,
        "enforcement": str(decision.enforcement),
        "reasons": bounded_reasons(decision.reasons),
    }


def _place(key: VersionKey) -> tuple[str, str, int]:
    return key.workspace, key.name, key.version
