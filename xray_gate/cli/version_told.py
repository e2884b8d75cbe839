"""A version's verdict, rule by rule, as people and programs read it."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from xray_gate.cli.applied_rules import applied_rules, remedies
from xray_gate.cli.foreign import one_line
from xray_gate.core.evidence import Evidence
from xray_gate.core.printable import time_text
from xray_gate.core.verdict import Enforcement, excuses_text
from xray_gate.policy.difference import difference
from xray_gate.policy.explanation import decision_text
from xray_gate.policy.files import PolicySet
from xray_gate.report.measures import Measure, number
from xray_gate.wiring.explaining import ExplainedVersion, Judged, Recorded


class VersionTold:
    """An explained version; its foreign strings can neither steer a terminal nor add a line."""

    def __init__(self, version: ExplainedVersion) -> None:
        self._version = version

    def to_text(self) -> str:
        """For a terminal."""
        return "\n".join(map(one_line, _lines(self._version)))

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `current` and `recorded` are null before a scan."""
        return _as_json(self._version)


def _lines(version: ExplainedVersion) -> list[str]:
    state = version.registration.state.replace("_", " ")
    lines = [f"{version.registration.key}  {state}"]
    if version.evidence is None or version.current is None:
        lines.append("  no evidence: there is no scan that a policy could judge")
    else:
        lines.append("  Under the server's policies as they are now:")
        lines += [f"    {line}" for line in _judged(version, version.evidence, version.current)]
    lines += [f"  {line}" for line in _promotion(version)]
    if version.recorded is not None:
        lines += [f"  {line}" for line in _recorded(version, version.recorded)]
    return lines


def _as_json(version: ExplainedVersion) -> dict[str, Any]:
    key, recorded = version.registration.key, version.recorded
    return {
        "workspace": key.workspace,
        "name": key.name,
        "version": key.version,
        "state": version.registration.state.value,
        "digest": version.evidence and version.evidence.model.digest,
        "current": _judged_json(version, version.current),
        "promotion": {
            "refused": version.why_not is not None,
            "reason": version.why_not,
            "files_to_compare": version.files_to_compare,
        },
        "recorded": recorded
        and {
            "verdict": recorded.row.verdict,
            "admitted": recorded.row.admits,
            "reasons": recorded.row.reasons,
            "at": time_text(recorded.row.created_at),
            "policy": {"name": recorded.row.policy_name, "digest": recorded.row.policy_digest},
            "same_policy": recorded.is_current,
            "judged": _judged_json(version, recorded.judged),
        },
    }


def _judged(version: ExplainedVersion, evidence: Evidence, judged: Judged) -> Iterator[str]:
    policy, decision = judged.policy, judged.decision
    if policy is None:
        yield f"policy    none: {'; '.join(decision.reasons)}"
        return
    yield f"policy    {policy.name} ({policy.digest[:19]})"
    if evidence.probes is not None:
        accuracy, least = evidence.probes.accuracy, policy.document.min_probe_accuracy
        held = "holds" if accuracy >= least else "does not hold"
        yield f"accuracy  {accuracy:.1%} on the probes, at least {least:.1%}: {held}"
    rules = applied_rules(policy, evidence, decision)
    for rule in rules:
        yield f"rule      {rule.detector} ({rule.mode}): {rule.outcome}"
        yield from (f"            {_number(one)}" for one in rule.numbers)
        if not rule.numbers and rule.reason:
            yield f"            {rule.reason}"
    for text in decision_text(policy.document.decision):
        yield f"verdict   {text}"
    admitted = "admitted" if decision.admits else "not admitted"
    mode = "" if decision.enforcement is Enforcement.ENFORCE else f" ({decision.enforcement})"
    yield f"so        {decision.verdict}, {admitted}{mode}"
    if decision.excused_by:
        yield f"exception {excuses_text(decision.excused_by, time.time())}"
        for one in decision.excused_by:
            yield f"            {one.name}: {one.rule}, ticket {one.ticket}"
    yield from (f"reason    {reason}" for reason in decision.reasons)
    key, state = version.registration.key, version.registration.state
    for text in remedies(key, state, rules, decision.verdict):
        yield f"to pass   {text}"


def _number(one: Measure) -> str:
    score = "no score" if one.score is None else number(one.score)
    source = f"; {one.source}" if one.source else ""
    mark = " <- suspicious" if one.beyond else ""
    return f"{one.key} {score} ({one.rule}{source}){mark}"


def _promotion(version: ExplainedVersion) -> Iterator[str]:
    if version.why_not is not None:
        yield f"A promotion is refused now: {version.why_not}"
    elif version.files_to_compare:
        yield "A promotion is granted now, if its files are still those that were scanned."
    else:
        yield "A promotion is granted now."


def _recorded(version: ExplainedVersion, recorded: Recorded) -> Iterator[str]:
    row = recorded.row
    digest = row.policy_digest[:19]
    by = f"policy {row.policy_name} ({digest})" if digest else "no policy"
    admitted = "admitted" if row.admits else "not admitted"
    yield f"Recorded {time_text(row.created_at)}: {row.verdict}, {admitted}, by {by}"
    if recorded.is_current:
        yield "  which is the server's policy of now."
    elif not digest:
        yield "  since none could be used for it:"
        yield from (f"    reason    {reason}" for reason in row.reasons)
    elif recorded.judged is None or version.evidence is None:
        yield "  which is not kept in the ledger, or judged nothing; it said:"
        yield from (f"    reason    {reason}" for reason in row.reasons)
    else:
        yield from _then(version, version.evidence, recorded.judged)


def _then(version: ExplainedVersion, evidence: Evidence, then: Judged) -> Iterator[str]:
    now = None if version.current is None else version.current.policy
    if now is not None and then.policy is not None and now.name == then.policy.name:
        yield "  which was changed since:"
        for one in difference(PolicySet((then.policy,)), PolicySet((now,))):
            yield from (f"    {change.effect:<8}  {change}" for change in one.changes)
    yield "  Under that policy:"
    yield from (f"    {line}" for line in _judged(version, evidence, then))


def _judged_json(version: ExplainedVersion, judged: Judged | None) -> dict[str, Any] | None:
    evidence = version.evidence
    if judged is None or evidence is None:
        return None
    policy, decision = judged.policy, judged.decision
    key, state = version.registration.key, version.registration.state
    found: dict[str, Any] = {
        "policy": None,
        "verdict": decision.verdict,
        "admitted": decision.admits,
        "mode": decision.enforcement,
        "reasons": list(decision.reasons),
        "exceptions": [asdict(one) for one in decision.excused_by],
        "probe_accuracy": None,
        "rules": [],
        "to_pass": [],
    }
    if policy is None:
        return found
    found["policy"] = {"name": policy.name, "digest": policy.digest}
    if evidence.probes is not None:
        found["probe_accuracy"] = {
            "measured": evidence.probes.accuracy,
            "at_least": policy.document.min_probe_accuracy,
        }
    rules = applied_rules(policy, evidence, decision)
    found["rules"] = [rule.to_json() for rule in rules]
    found["to_pass"] = remedies(key, state, rules, decision.verdict)
    return found
