"""Which reviewed exceptions admit what a verdict does not. The verdict itself stays what it is."""

from dataclasses import replace

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Excuse, Outcome, Place, Verdict
from xray_gate.policy.decision import decide, leaves_something_open
from xray_gate.policy.exception_document import (
    AGE,
    UNDECIDED,
    ExceptionDocument,
    why_it_never_counts,
    why_not_today,
)
from xray_gate.policy.files import Policy


def decide_now(
    policy: Policy, evidence: Evidence, now: float, place: Place = Place.REGISTRATION
) -> Decision:
    """As `decide`, with the exceptions that count at `now` (seconds since the epoch)."""
    return excused(policy, evidence, decide(policy, evidence, place), now)


def excused(policy: Policy, evidence: Evidence, decision: Decision, now: float) -> Decision:
    """`decision` with the exceptions that admit it; as it is where they do not.

    None is needed where the mode at the place that asked, and that at promotions, admits it. Each
    ground for the refusal needs one of its own: an exception for one detector says nothing
    of what another found, nor of a third that crashed.
    """
    if decision.admits and decision.promotes:
        return decision
    wanted = grounds(policy, evidence, decision)
    found = [excuse_for(policy, evidence, ground, now) for ground in wanted]
    if not found or None in found:
        return decision
    return replace(decision, excused_by=tuple(one for one in found if one is not None))


def grounds(policy: Policy, evidence: Evidence, decision: Decision) -> list[str]:
    """What exceptions would have to name: the detectors that found something, and `undecided`.

    `decision` is that of `decide`.
    """
    if decision.verdict is Verdict.PASSED:
        return []
    found = [item.name for item in decision.judgements if item.outcome is Outcome.FAILED]
    is_open = leaves_something_open(policy, evidence, decision)
    return list(dict.fromkeys([*found, *([UNDECIDED] if is_open else [])]))


def excuse_for(policy: Policy, evidence: Evidence, rule: str, now: float) -> Excuse | None:
    """The exception for these bytes and this rule that counts longest, or None."""
    found = [one for one in counting(policy, now) if _names(one, evidence, rule)]
    last = max(found, key=lambda one: (one.ends_at, one.name), default=None)
    return None if last is None else _excuse(last)


def excuse_for_age(policy: Policy, evidence: Evidence, now: float) -> Excuse | None:
    """The exception that lets an old scan of these bytes be believed, or None."""
    return excuse_for(policy, evidence, AGE, now)


def counting(policy: Policy, now: float) -> list[ExceptionDocument]:
    """The policy's exceptions that count at `now`."""
    return [one for one in policy.exceptions if _why_not(one, policy, now) is None]


def _why_not(one: ExceptionDocument, policy: Policy, now: float) -> str | None:
    # Also what the ledger kept is held against the policy again.
    return why_it_never_counts(one, policy.document) or why_not_today(one, now)


def _names(one: ExceptionDocument, evidence: Evidence, rule: str) -> bool:
    return one.model == evidence.model.digest and one.rule == rule


def _excuse(one: ExceptionDocument) -> Excuse:
    return Excuse(one.name, one.rule, one.ticket, one.expires, one.ends_at)
