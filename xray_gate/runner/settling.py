"""What is done with one version: fetch, scan, keep the bytes, decide, sign, publish, record.

A model that cannot be scanned is undecided at once. What fails for another reason (a store, a disk,
a bug) puts the version back into the queue, and becomes a dead letter when it does not stop.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from xray_gate.core.errors import (
    InputError,
    LeaseLost,
    PolicyError,
    ScanError,
    Unavailable,
    XrayGateError,
)
from xray_gate.core.evidence import Evidence
from xray_gate.core.log_fields import log_fields
from xray_gate.core.verdict import Decision, Verdict, undecided
from xray_gate.policy.decision import decide
from xray_gate.policy.exceptions import excused
from xray_gate.policy.files import Policy
from xray_gate.policy.matching import Undetermined
from xray_gate.runner.event_log import LogEvent, named
from xray_gate.runner.events import FailureKind, PutBack, Settled
from xray_gate.runner.inputs import champion, logged_training
from xray_gate.runner.parts import RunnerParts
from xray_gate.runner.reasons import reason_of
from xray_gate.scan.mlmodel import flavours_of
from xray_gate.scan.pipeline import unscannable
from xray_gate.scan.work import Lease, ScanOutput, Settlement

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Outcome:
    """What became of a version, for observers and for people."""

    event: Settled | PutBack
    text: str

    @property
    def settled(self) -> bool:
        """False where it was put back into the queue."""
        return isinstance(self.event, Settled)


@dataclass(frozen=True)
class _Scanned:
    """What is to be recorded, and where the scanned bytes are kept, if they are."""

    output: ScanOutput
    snapshot: str | None = None
    failure: FailureKind | None = None
    gave_up: bool = False


@dataclass(frozen=True)
class _Rules:
    """The server's policy, which decides, and the one that says what to measure."""

    policy: Policy
    measuring: Policy


class _NoRules(Exception):
    """No policy could be chosen for a version whose flavours that hangs on."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Settling:
    """Settles one claimed version after the other."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts

    def __call__(self, lease: Lease) -> Outcome:
        """Scan and record, put back, or give up; raises `LeaseLost`, and what the queue raises."""
        retries = self._parts.retries
        rules: _Rules | None = None
        try:
            rules = self._rules(lease)
        except Undetermined:
            # Its files say more.
            pass
        except PolicyError as error:
            return self._refuse(lease, str(error), FailureKind.POLICY)
        try:
            if lease.registration.attempts > retries.tries:
                raise Unavailable(_never_ended(lease))
            rules, scanned = self._scan(lease, rules)
            return self._record(lease, scanned, rules.policy)
        except LeaseLost:
            raise
        except _NoRules as error:
            return self._refuse(lease, str(error), error.kind)
        except Unavailable as error:
            ended = lease.registration.attempts <= retries.tries
            kind = FailureKind.UNAVAILABLE if ended else FailureKind.NEVER_ENDED
            reason = str(error)
        except Exception as error:
            _logger.exception(
                "the scan of %s failed", _ref(lease), extra=named(LogEvent.SCAN_FAILED)
            )
            kind, reason = FailureKind.BUG, reason_of(error)
        if retries.follow(lease):
            pause = retries.pause_after(lease)
            self._parts.queue.put_back(lease, reason, pause)
            tried = f"try {lease.registration.attempts} of {retries.tries}"
            return Outcome(
                PutBack(lease, kind, pause, reason),
                f"{tried} failed, the next one is in {pause:g} s ({reason})",
            )
        if rules is None:
            return self._refuse(lease, reason, kind, gave_up=True)
        output = unscannable(_ref(lease), rules.measuring, reason, datetime.now(UTC))
        return self._record(lease, _Scanned(output, failure=kind, gave_up=True), rules.policy)

    def _rules(self, lease: Lease, flavours: tuple[str, ...] | None = None) -> _Rules:
        """The policies by what is known of the version; raises `PolicyError`."""
        queue, own, name = self._parts.queue, self._parts.measuring, lease.registration.key.name
        policy = queue.policy_for(lease, flavours)
        measuring = policy
        if own is not None:
            measuring = own.match(name, queue.tags_of(lease), flavours)
        if policy is None or measuring is None:
            raise PolicyError(
                f"no policy matches {name!r}; add it to match.registered_models of one"
            )
        return _Rules(policy, measuring)

    def _refuse(
        self, lease: Lease, reason: str, kind: FailureKind, *, gave_up: bool = False
    ) -> Outcome:
        self._parts.queue.refuse(lease, reason, gave_up=gave_up)
        return Outcome(Settled(lease, undecided(reason), failure=kind, gave_up=gave_up), reason)

    def _scan(self, lease: Lease, rules: _Rules | None) -> tuple[_Rules, _Scanned]:
        """What was found, and the policies; without `rules` they are chosen by the files."""
        with ExitStack() as files:
            # Until the bytes are kept: nothing is looked for, or placed, where others are at home.
            files.enter_context(self._parts.in_workspace(lease.registration.key.workspace))
            try:
                path = files.enter_context(self._parts.fetch(lease.registration.location))
                rules = rules or self._rules(lease, flavours_of(path))
                output = self._scan_files(lease, rules.measuring, path)
            except (Unavailable, LeaseLost):
                raise
            except (InputError, ScanError) as error:
                no_policy = isinstance(error, PolicyError)
                failure = FailureKind.POLICY if no_policy else FailureKind.MODEL
                if rules is None:
                    raise _NoRules(failure, str(error)) from error
                output = unscannable(_ref(lease), rules.measuring, str(error), datetime.now(UTC))
                return rules, _Scanned(output, failure=failure)
            return rules, self._keep(lease, rules.policy, output, path)

    def _scan_files(self, lease: Lease, measuring: Policy, path: Path) -> ScanOutput:
        parts = self._parts
        with (
            champion(parts, lease, measuring) as compared,
            logged_training(parts, lease, measuring) as logged,
        ):
            return parts.scan(path, _ref(lease), measuring, compared, logged)

    def _keep(self, lease: Lease, policy: Policy, output: ScanOutput, path: Path) -> _Scanned:
        """Also what is refused is kept: another policy may admit it by the same evidence."""
        evidence = output.evidence
        if policy.document.same_bytes != "snapshot" or not _is_to_keep(policy, evidence):
            return _Scanned(output)
        try:
            return _Scanned(output, self._parts.keep(path, evidence.model.digest))
        except Exception as error:
            reason = reason_of(error)
            _logger.warning(
                "%s: the scanned bytes are not kept",
                _ref(lease),
                exc_info=True,
                extra=named(LogEvent.KEEP_FAILED),
            )
        # A pass would be one for whatever lies there later; a suspicion stands without.
        if decide(policy, evidence).verdict is not Verdict.PASSED:
            return _Scanned(output)
        if self._parts.retries.follow(lease):
            raise Unavailable(reason)
        return _Scanned(
            replace(output, evidence=replace(evidence, obstacle=reason)),
            failure=FailureKind.UNAVAILABLE,
            gave_up=True,
        )

    def _record(self, lease: Lease, scanned: _Scanned, policy: Policy) -> Outcome:
        evidence = scanned.output.evidence
        with log_fields(scan_id=evidence.scan_id, digest=evidence.model.digest):
            decision = self._record_logged(lease, scanned, policy)
        failure = scanned.failure
        if failure is None and evidence.obstacle is not None:
            failure = FailureKind.MODEL
        return Outcome(
            Settled(lease, decision, evidence, failure, scanned.gave_up),
            f"{decision.verdict} ({'; '.join(decision.reasons)})",
        )

    def _record_logged(self, lease: Lease, scanned: _Scanned, policy: Policy) -> Decision:
        parts, output = self._parts, scanned.output
        evidence = output.evidence
        decision = parts.queue.withdrawn(evidence.model.digest)
        if decision is None:
            decision = decide(policy, evidence)
            if scanned.snapshot is not None or policy.document.same_bytes == "verify":
                # An exception is for these bytes: without them it would be for whatever lies there.
                decision = excused(policy, evidence, decision, time.time())
        # A signer that fails leaves no verdict: with a key, none is ever recorded unsigned.
        attestation = None if parts.sign is None else parts.sign(output, decision, policy)

        def publish() -> str:
            key = lease.registration.key
            with parts.in_workspace(key.workspace):
                return parts.publish(key, output, decision, policy, attestation)

        run_id: str | None = None
        try:
            run_id = self._patiently(publish)
        except Exception:
            # The verdict rests on the ledger. A tracking server that is down must not keep a
            # version pending, and the missing link shows in `xray-gate status`.
            _logger.exception(
                "the report of %s could not be logged",
                lease.registration.key,
                extra=named(LogEvent.PUBLISH_FAILED),
            )
        settlement = Settlement(
            evidence, decision, policy, run_id, scanned.snapshot, attestation, scanned.gave_up
        )
        return self._patiently(lambda: parts.queue.finish(lease, settlement))

    def _patiently(self, call: Callable[[], _T]) -> _T:
        """What a whole scan found is not thrown away because a server is gone for a moment."""
        for pause in self._parts.retries.short_pauses:
            try:
                return call()
            except XrayGateError:
                raise
            except Exception:
                _logger.warning(
                    "a write failed; it is tried again in %g s",
                    pause,
                    exc_info=True,
                    extra=named(LogEvent.WRITE_FAILED),
                )
                time.sleep(pause)
        return call()


def _is_to_keep(policy: Policy, evidence: Evidence) -> bool:
    """What is no model may be anything that a runner can read, which is not for everybody."""
    if evidence.obstacle is None:
        return True
    return decide(policy, evidence).unsafe_rule is not None


def _ref(lease: Lease) -> str:
    return f"models:/{lease.registration.key}"


def _never_ended(lease: Lease) -> str:
    tries, last = lease.registration.attempts - 1, lease.registration.failure
    return (
        f"the scan was started {tries} times and never came to an end"
        + (f" ({last})" if last else "")
        + "; look at the runner's log, then `xray-gate rescan` the version"
    )
