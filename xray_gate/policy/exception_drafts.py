"""Drafts of exceptions for what is promoted and would be refused: people fill them in."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from xray_gate.core.errors import InputError
from xray_gate.core.printable import printable
from xray_gate.policy.exceptions import excuse_for, grounds
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.replay import PastScan, enforced, judged

_SHORT = 12


@dataclass(frozen=True)
class Draft:
    """A file that admits nothing yet: `owner`, `reason` and `ticket` are empty.

    `refs` are the versions that have these bytes.
    """

    file_name: str
    text: str
    refs: tuple[str, ...]


def drafts(policies: PolicySet, scans: Iterable[PastScan], days: int, now: float) -> list[Draft]:
    """One for each rule by which promoted bytes would be refused if their policy were enforced.

    What was withdrawn, and what has no digest, gets none; nor does what an exception admits. Raises
    `InputError` where a policy does not allow exceptions of so many `days`.
    """
    found: dict[tuple[str, str, str], tuple[list[str], list[str]]] = {}
    for scan in scans:
        digest = scan.evidence.model.digest
        if not scan.promoted or scan.withdrawn or not digest.startswith("sha256:"):
            continue
        policy, decision = judged(
            enforced(policies), scan.registered_model, scan.evidence, scan.tags
        )
        if policy is None:
            # Nothing of such a name is promoted, and nothing excuses it.
            continue
        for rule in grounds(policy, scan.evidence, decision):
            if excuse_for(policy, scan.evidence, rule, now) is None:
                _require(policy, days)
                refs, _ = found.setdefault(
                    (policy.name, digest, rule), ([], list(decision.reasons))
                )
                refs.append(scan.ref)
    return [
        _draft(policy, digest, rule, refs, reasons, days, now)
        for (policy, digest, rule), (refs, reasons) in found.items()
    ]


def _require(policy: Policy, days: int) -> None:
    allowed = policy.document.exceptions
    if allowed is None or days > allowed.most_days:
        most = "none" if allowed is None else f"{allowed.most_days} days at most"
        raise InputError(
            f"policy {policy.name} allows {most}; set exceptions.most_days there to {days} or more "
            "and let the server read it, or give fewer --days"
        )


def _draft(
    policy: str,
    digest: str,
    rule: str,
    refs: list[str],
    reasons: list[str],
    days: int,
    now: float,
) -> Draft:
    today = datetime.fromtimestamp(now, UTC)
    name = f"adopted-{policy}-{digest.partition(':')[2][:_SHORT]}-{rule}"
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)[:100]
    lines = [
        f"# {printable(', '.join(refs))}: promoted, and refused where the policy is enforced:",
        *(f"# {printable(reason)}" for reason in reasons),
        "# It admits nothing while owner, reason and ticket are empty.",
        "apiVersion: xray-gate/v1",
        "kind: Exception",
        f"name: {json.dumps(name)}",
        f"policy: {json.dumps(policy)}",
        f"model: {digest}",
        f"rule: {json.dumps(rule)}",
        'owner: ""',
        'reason: ""',
        'ticket: ""',
        f"created: {today:%Y-%m-%d}",
        f"expires: {today + timedelta(days=days):%Y-%m-%d}",
    ]
    return Draft(f"{name}.exception.yaml", "\n".join(lines) + "\n", tuple(refs))
