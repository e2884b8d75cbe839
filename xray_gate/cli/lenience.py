"""What `xray-gate doctor` asks about exceptions, break-glass and the gate's coverage."""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from xray_gate.cli.finding import Finding, finding
from xray_gate.core.errors import PolicyError
from xray_gate.core.printable import printable
from xray_gate.core.verdict import Decision, expiry_text
from xray_gate.ledger.coverage import OnException, inventory, promoted_on_exceptions
from xray_gate.ledger.ledger import Ledger
from xray_gate.policy.exceptions import counting, excused
from xray_gate.policy.files import PolicySet
from xray_gate.policy.replay import judged
from xray_gate.registry.rows import model_tags
from xray_gate.scan.inventory import Coverage
from xray_gate.scan.work import Promotion

CHECKS = ("exceptions", "break-glass", "coverage")


IsFree = Callable[[str, Promotion], bool]


def lenience(connection: Connection, is_free: IsFree, now: float) -> Iterator[Finding]:
    """A finding for each of `CHECKS`.

    `is_free` says of a registered model's name and a promotion that it needs no verdict.
    """
    policies = _policies(connection)
    yield _exceptions(connection, policies, is_free, now)
    yield _break_glass(connection)
    yield _coverage(connection, policies, now)


def _policies(connection: Connection) -> PolicySet:
    try:
        return Ledger().server_policies(connection)
    except PolicyError:
        # Without a server nothing is excused, and other checks say that there is none.
        return PolicySet(())


def _exceptions(
    connection: Connection, policies: PolicySet, is_free: IsFree, now: float
) -> Finding:
    ended, counted = [], []
    for one in promoted_on_exceptions(connection):
        asked = [p for p in one.promotions if not is_free(one.key.name, p)]
        if not asked:
            continue
        held = ", ".join(f"{p.kind} {p.value}" for p in asked)
        decision = _today(connection, one, policies, now)
        if decision is None or not decision.admits:
            names = ", ".join(f"{e.name} ({e.expires})" for e in one.excused_by)
            ended.append(f"{one.key}: {held}; was admitted by {names}")
        elif decision.excused_by:
            first = min(e.until for e in decision.excused_by)
            counted.append(f"{one.key}: {held}; {expiry_text(first, now)}")
    if ended:
        text = (
            f"{len(ended)} version(s) are promoted on exceptions that do not count any more; take "
            "alias and stage away, or have new exceptions reviewed"
        )
        return finding("exceptions", False, text, ended)
    text = f"{len(counted)} version(s) are promoted on exceptions, which count"
    return finding("exceptions", True, text if counted else "nothing is promoted on one", counted)


def _today(
    connection: Connection, one: OnException, policies: PolicySet, now: float
) -> Decision | None:
    tags = model_tags(connection, one.key.workspace, one.key.name)
    policy, decision = judged(policies, one.key.name, one.evidence, tags)
    # An age is looked at when something is promoted; here it is the verdict that counts.
    return None if policy is None else excused(policy, one.evidence, decision, now)


def _break_glass(connection: Connection) -> Finding:
    found = Ledger().to_review(connection)
    if not found:
        return finding("break-glass", True, "none waits for a review")
    details = []
    for one in found:
        used = "used" if one.used_at is not None else "not used"
        details.append(
            printable(
                f"{one.id}: {one.key}, {one.promotion.kind} {one.promotion.value}, {used}; "
                f"{one.by}: {one.justification}"
            )
        )
    text = f"{len(found)} wait(s) for a review; next: xray-gate break-glass --review ID"
    return finding("break-glass", False, text, details)


def _coverage(connection: Connection, policies: PolicySet, now: float) -> Finding:
    covered = Coverage.of(inventory(connection))
    exceptions = sum(len(counting(policy, now)) for policy in policies.policies)
    text = f"{covered}; {exceptions} exception(s) count"
    if covered.scanned < covered.versions:
        text += "; next: xray-gate adopt"
    return finding("coverage", True, text)
