"""What other policies would make of evidence that is there: nothing is scanned again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from xray_gate.core.errors import PolicyError
from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Enforcement, Excuse, Place, Verdict, undecided
from xray_gate.policy.decision import decide
from xray_gate.policy.exceptions import excused
from xray_gate.policy.f1_threshold import share_interval
from xray_gate.policy.files import Policy, PolicySet

Label = Literal["clean", "backdoored"]
Promoted = tuple[Literal["alias", "stage"], str]
"""What leads to a version: `alias` or `stage`, and its name."""


@dataclass(frozen=True)
class PastScan:
    """A version with the evidence and the verdict that count for it today.

    `ref` is what people call it, `tags` are those of its registered model today.
    `withdrawn`: somebody revoked its bytes.
    """

    ref: str
    registered_model: str
    evidence: Evidence
    verdict: Verdict
    admitted: bool
    promoted: tuple[Promoted, ...] = ()
    withdrawn: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """A verdict, and whether it admits a promotion: in `audit` and `warn` any does."""

    verdict: Verdict
    admits: bool

    def __str__(self) -> str:
        return f"{self.verdict}, {'admitted' if self.admits else 'refused'}"


@dataclass(frozen=True)
class Replayed:
    """A version today and under other policies, without its evidence, which is large.

    `policy` is the name of the one that matches, or None; `reasons` are of the verdict `after`.
    `stopped`: what leads to the version today and needs an admission that it would not have.
    `excused_by`: the exceptions that would admit it.
    """

    ref: str
    digest: str
    before: Standing
    after: Standing
    policy: str | None
    reasons: tuple[str, ...]
    stopped: tuple[Promoted, ...] = ()
    excused_by: tuple[Excuse, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether verdict or admission are others."""
        return self.before != self.after


IsFree = Callable[[Policy, Promoted], bool]


def replay(
    policies: PolicySet, scans: Iterable[PastScan], is_free: IsFree, now: float
) -> Iterator[Replayed]:
    """Every scan under the one of `policies` that matches its registered model.

    As at a registration: without a policy, or with two, nothing is admitted; nor is what was
    withdrawn. Whether bytes were kept, and how old a scan may be, is left to a promotion.
    `now`, in seconds since the epoch, is when exceptions have to count.
    """
    for scan in scans:
        yield _replayed(policies, scan, is_free, now)


def judged(
    policies: PolicySet,
    registered_model: str,
    evidence: Evidence,
    tags: Mapping[str, str] | None = None,
) -> tuple[Policy | None, Decision]:
    """The one policy that matches, and its decision at a promotion.

    Undecided where there is none, or are two, or where it hangs on flavours that are not known.
    `tags` are those of the registered model; None stands for none.
    """
    try:
        policy = policies.match(registered_model, tags or {}, evidence.model.flavours)
    except PolicyError as error:
        return None, undecided(str(error))
    if policy is None:
        return None, undecided(f"no policy matches {registered_model!r}")
    return policy, decide(policy, evidence, Place.PROMOTION)


def _replayed(policies: PolicySet, scan: PastScan, is_free: IsFree, now: float) -> Replayed:
    policy, decision = judged(policies, scan.registered_model, scan.evidence, scan.tags)
    if policy is not None and scan.withdrawn:
        decision = undecided("its bytes were withdrawn")
    elif policy is not None:
        decision = excused(policy, scan.evidence, decision, now)
    stopped = () if decision.admits else scan.promoted
    if policy is not None:
        stopped = tuple(one for one in stopped if not is_free(policy, one))
    return Replayed(
        ref=scan.ref,
        digest=scan.evidence.model.digest,
        before=Standing(scan.verdict, scan.admitted),
        after=Standing(decision.verdict, decision.admits),
        policy=None if policy is None else policy.name,
        reasons=decision.reasons,
        stopped=stopped,
        excused_by=decision.excused_by,
    )


@dataclass(frozen=True)
class Rate:
    """How many of how many, with the 95 % interval by Clopper and Pearson."""

    hits: int
    count: int

    def __str__(self) -> str:
        if not self.count:
            return "none is labelled"
        low, high = share_interval(self.hits, self.count)
        share = self.hits / self.count
        return f"{self.hits} of {self.count} ({share:.0%}; {low:.0%} to {high:.0%})"


@dataclass(frozen=True)
class Rates:
    """Of labelled versions: clean ones that do not pass, and backdoored ones that do not."""

    refused_clean: Rate
    refused_backdoored: Rate


def rates(rows: Sequence[Replayed], labels: Mapping[str, Label]) -> tuple[Rates, Rates]:
    """Before and after. `labels` has references (`name/3`) and digests (`sha256:...`) as keys.

    Verdicts count, not modes: what `audit` admits though it did not pass is refused here.
    """
    known = [
        (row, label)
        for row in rows
        if (label := labels.get(row.ref, labels.get(row.digest))) is not None
    ]

    def rate(label: Label, standing: Callable[[Replayed], Standing]) -> Rate:
        found = [standing(row).verdict for row, own in known if own == label]
        return Rate(sum(one is not Verdict.PASSED for one in found), len(found))

    def both(standing: Callable[[Replayed], Standing]) -> Rates:
        return Rates(rate("clean", standing), rate("backdoored", standing))

    return both(lambda row: row.before), both(lambda row: row.after)


def enforced(policies: PolicySet) -> PolicySet:
    """The same policies as if each were enforced: what a step to `enforce` would refuse."""
    found = tuple(_enforced(policy) for policy in policies.policies)
    return PolicySet(found, policies.problems)


def _enforced(policy: Policy) -> Policy:
    document = policy.document.model_copy(update={"enforcement": Enforcement.ENFORCE})
    return replace(policy, document=document)
