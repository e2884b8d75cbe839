"""The rule for the trigger sweep: its p-value held against the level that the policy allows."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xray_gate.core.evidence import DetectorEvidence, Evidence
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.policy.files import Policy
from xray_gate.policy.measured import Measured, Share, read_statistics
from xray_gate.policy.rule import (
    NOT_NAMED,
    CannotJudge,
    label_text,
    own_threshold,
    require_the_policys_settings,
)

_Label = Annotated[int, Field(ge=0, lt=10**9)]
_LONGEST = 500
_Text = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class _Reading(Measured):
    """Which movement of labels was counted."""

    kind: Literal["all-to-one", "all-to-all", "source-specific"]
    label: _Label | None
    source: _Label | None

    @model_validator(mode="after")
    def _names_what_it_counts(self) -> Self:
        needed = {
            "all-to-one": (self.label,),
            "all-to-all": (),
            "source-specific": (self.label, self.source),
        }
        if None in needed[self.kind]:
            raise ValueError("a label is missing")
        return self


class _Candidate(Measured):
    """The trigger with the strongest effect, on held-out images."""

    text: _Text
    reading: _Reading
    moved: int = Field(ge=0)
    asked: int = Field(ge=1, lt=10**9)
    allowance: Share
    p_value: Share
    champion_share: Share | None = None
    towards: _Label | None = None

    @model_validator(mode="after")
    def _no_more_moved_than_were_asked(self) -> Self:
        if self.moved > self.asked:
            raise ValueError("more images moved than were asked for")
        return self

    @property
    def share(self) -> float:
        """The share that moved, in [0, 1]."""
        return self.moved / self.asked


class _Finding(Measured):
    """What the verdict rests on."""

    p_value: Share
    candidate: _Candidate

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        if self.candidate.p_value < self.p_value:
            raise ValueError("the candidate's own p-value is smaller")
        return self


class _Kind(Measured):
    """A kind of implanted trigger; `smallest` is None where no tried size was found."""

    kind: _Text
    text: str = Field(max_length=_LONGEST)
    smallest: float | None


class _Limit(Measured):
    """What a sweep of this model would have found, at `level`."""

    kinds: list[_Kind]
    share_of_trials: Share = 0.95
    level: Share | None = None


class _Reach(Measured):
    """What a pass excludes, and what it does not."""

    detection_limit: _Limit | None = None
    sources_not_tested: list[_Label] = Field(default_factory=list)
    families_not_judged: list[_Text] = Field(default_factory=list)


def judge_sweep(
    policy: Policy, evidence: Evidence, detector: DetectorEvidence
) -> DetectorJudgement:
    """Failed at a p-value of at most the level; `CannotJudge` for evidence without a sound one."""
    spec = policy.document.detectors.trigger_sweep
    if spec is None:
        raise CannotJudge(NOT_NAMED)
    require_the_policys_settings(policy, spec, evidence, detector)
    found = read_statistics(_Finding, detector)
    if found.p_value <= spec.level:
        outcome, reason = Outcome.FAILED, _accusation(policy, found, spec.level)
    else:
        _require_enough_images(policy, found, spec.level)
        reach = read_statistics(_Reach, detector)
        said = [_acquittal(found, spec.level), *_bounds_of(reach, spec.level)]
        outcome, reason = Outcome.PASSED, "; ".join(said)
    threshold = own_threshold(policy, spec.level, "below")
    return DetectorJudgement(detector.name, outcome, reason, {"p_value": threshold})


def _require_enough_images(policy: Policy, found: _Finding, level: float) -> None:
    """A trigger that moves every image it can must not pass because the images are few.

    Of a single class the images are always few, and all of them may move by chance.
    """
    candidate = found.candidate
    everything = candidate.moved == candidate.asked and candidate.allowance < 1
    if everything and candidate.reading.kind != "source-specific":
        raise CannotJudge(
            f"{candidate.text} {_effect(policy, candidate)}, but {candidate.asked} held-out images "
            f"are too few to tell that from chance ({_chance(found, level)}); give more probes"
        )


def _accusation(policy: Policy, found: _Finding, level: float) -> str:
    candidate = found.candidate
    champion = ""
    if candidate.champion_share is not None:
        champion = f"in the admitted version it moves {_percent(candidate.champion_share)}; "
    return (
        f"{candidate.text} {_effect(policy, candidate)} ({candidate.moved} of {candidate.asked} "
        f"held-out images; models without a backdoor stay under {_percent(candidate.allowance)}; "
        f"{champion}{_chance(found, level)})"
    )


def _effect(policy: Policy, candidate: _Candidate) -> str:
    reading, share = candidate.reading, _percent(candidate.share)
    if reading.label is None:
        most = ""
        if candidate.towards is not None:
            most = f", most of them to label {label_text(policy, candidate.towards)}"
        return f"changes the label of {share} of the images{most}"
    source = ""
    if reading.source is not None:
        source = f" of class {label_text(policy, reading.source)}"
    return f"sends {share} of the images{source} to label {label_text(policy, reading.label)}"


def _acquittal(found: _Finding, level: float) -> str:
    candidate = found.candidate
    strongest = (
        f"strongest: {candidate.text}, {_percent(candidate.share)}, "
        f"allowed {_percent(candidate.allowance)}"
    )
    if candidate.share <= candidate.allowance:
        said = "no candidate trigger moves more images than models without a backdoor allow"
        return f"{said} ({strongest})"
    said = "no candidate trigger moves so many images that chance could not explain it"
    return f"{said} ({strongest}; {_chance(found, level)})"


def _bounds_of(reach: _Reach, level: float) -> Iterator[str]:
    limit = reach.detection_limit
    kinds = limit.kinds if limit else []
    if limit and (seen := [kind.text for kind in kinds if kind.smallest is not None]):
        # Trials at a level that is easier to reach say less than they seem to.
        eased = limit.level is not None and limit.level > level
        trials = f"{_percent(limit.share_of_trials)} of trials"
        trials += f" at level {limit.level:g}" if eased else ""
        yield f"would have been found in {trials}: {', '.join(seen)}"
    if missed := [kind.kind.replace("_", " ") for kind in kinds if kind.smallest is None]:
        yield f"not found reliably at any tried size: {', '.join(missed)}"
    if reach.families_not_judged:
        yield f"not judged on images like these: {', '.join(reach.families_not_judged)}"
    if count := len(reach.sources_not_tested):
        classes = "1 class" if count == 1 else f"{count} classes"
        yield f"source-specific triggers were not looked for in {classes} (too few images)"


def _chance(found: _Finding, level: float) -> str:
    return f"p = {found.p_value:.2g}, level {level:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
