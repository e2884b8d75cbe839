"""What a policy says of each detector: whether it counts, how it measures, where its bounds are."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from xray_gate.policy.detector_spec import OF_THE_POLICY, DetectorSpec, Mode
from xray_gate.policy.other_spec import OtherName, OtherSpec
from xray_gate.policy.strict import Strict
from xray_gate.policy.xray_thresholds import CalibratedBounds, Thresholds

# Rules do not know detectors, so the names stand here once more; a test compares the two.
Family = Literal[
    "patch",
    "pixels",
    "frame",
    "noise_blend",
    "smooth_blend",
    "ghost",
    "smooth_field",
    "stripes",
    "residual",
    "quantisation",
    "colour",
    "warp",
    "reflection",
]
FAMILIES: tuple[Family, ...] = get_args(Family)


class ModelXraySpec(DetectorSpec):
    """Model X-ray's parameters (the paper's defaults) and the thresholds for its scores."""

    eta: float = Field(default=5.0, gt=0, le=100)
    size: int = Field(default=100, ge=2, le=1000, description="S, grid points a side")
    planes: int = Field(default=20, ge=1, le=1000, description="N")
    alpha: float = Field(default=10.0, ge=1, le=100)
    cap: float = Field(default=0.5, gt=0, le=1, description="t")
    pixel_ranges: list[Literal["unclipped", "valid"]] = Field(
        default=["unclipped", "valid"], min_length=1, max_length=2
    )
    directions: int = Field(
        default=32, ge=2, le=1000, multiple_of=2, description="points of each plane's horizon"
    )
    sampling: Literal["dense", "adaptive"] = "adaptive"
    least_planes: int = Field(
        default=3, ge=1, le=1000, description="planes between looks whether the verdict is settled"
    )
    stop_error: float = Field(
        default=0.01, gt=0, le=0.5, description="chance that all planes would say otherwise"
    )
    thresholds: Thresholds | None = None

    def settings(self) -> dict[str, Any]:
        """See `DetectorSpec.settings`."""
        return self.model_dump(mode="json", exclude={*OF_THE_POLICY, "thresholds"})

    @model_validator(mode="after")
    def _ranges_differ(self) -> Self:
        if len(set(self.pixel_ranges)) < len(self.pixel_ranges):
            raise ValueError("pixel_ranges names a range twice; name each once")
        return self

    @model_validator(mode="after")
    def _thresholds_are_measured(self) -> Self:
        named: list[str] = []
        if isinstance(self.thresholds, CalibratedBounds):
            named = [*self.thresholds.statistics, *self.thresholds.suspicious]
        elif self.thresholds:
            named = [bound.statistic for bound in self.thresholds]
        for statistic in named:
            if statistic.rpartition(".")[2] not in self.pixel_ranges:
                raise ValueError(
                    f"a threshold is set for {statistic}, but that pixel range is not measured; "
                    f"add it to pixel_ranges (now {', '.join(self.pixel_ranges)})"
                )
        return self


class TriggerSweepSpec(DetectorSpec):
    """What the trigger sweep tries, and at which level its finding counts.

    `families`: None for all. `queries`: the most that one sweep may ask. `level`: the chance at
    which a model without a backdoor may be refused by this detector. `against_champion`: whether
    the registered model's newest version that passed is swept beside a new one.
    """

    families: Annotated[list[Family], Field(min_length=1)] | None = None
    queries: int = Field(default=30_000, ge=8_000, le=1_000_000)
    level: float = Field(default=0.01, gt=0, lt=1)
    against_champion: bool = True

    def settings(self) -> dict[str, Any]:
        """See `DetectorSpec.settings`; the order in which families are named does not count."""
        chosen = FAMILIES if self.families is None else self.families
        return {"families": [f for f in FAMILIES if f in chosen], "queries": self.queries}

    @field_validator("families")
    @classmethod
    def _families_differ(cls, families: list[Family] | None) -> list[Family] | None:
        if families and len(set(families)) < len(families):
            raise ValueError("names a family twice; name each once")
        return families


class B3DSpec(DetectorSpec):
    """How B3D looks for a trigger of each class, and when a trigger is too small.

    The mini-batch and the iterations are for a CPU; take 64 and 1,000 on a GPU. `images`: what
    triggers are fitted to, `synthetic` for B3D-SS. A mask is too small under `share_of_median` of
    the masks' median, or with an anomaly index above `index` (both as in the paper) if it also is
    under `at_most_of_median` (ours; 1 for the paper's rule). With as few iterations as a CPU
    allows, some searches have come far and others have not, which any index takes for outliers; so
    it adds nothing by default. `least_success`: the share of the held-back images that a trigger
    has to move to count.
    """

    iterations: int = Field(default=300, ge=1, le=10_000)
    batch: int = Field(default=32, ge=1, le=1024)
    samples: int = Field(default=50, ge=2, le=1000, description="k")
    sigma: float = Field(default=0.1, ge=1e-3, le=10)
    learning_rate: float = Field(default=0.05, ge=1e-4, le=10)
    images: Literal["probes", "synthetic"] = "probes"
    index: float = Field(default=2.0, gt=0, le=100)
    share_of_median: float = Field(default=0.25, ge=0, lt=1)
    at_most_of_median: float = Field(default=0.25, gt=0, le=1)
    least_success: float = Field(default=0.75, gt=0, le=1)

    def settings(self) -> dict[str, Any]:
        """See `DetectorSpec.settings`."""
        judged = {"index", "share_of_median", "at_most_of_median", "least_success"}
        return self.model_dump(mode="json", exclude={*OF_THE_POLICY, *judged})


class DTInspectorSpec(DetectorSpec):
    """How DTInspector learns patches on training data, and which transfer ratio is too low.

    `samples`: K, of the most and of the least confident samples of each label. `index`: the anomaly
    index above which a label is infected, unless all ratios are above `clean_above` (both as in the
    paper). `least_fitted`: the share of its confident samples that a patch has to change to tell
    anything; `least_labels`: how many labels must have been tested for a pass.
    """

    samples: int = Field(default=50, ge=10, le=1000, description="K")
    patches_by: Literal["gradients", "queries", "gradients_or_queries"] = Field(
        default="gradients_or_queries",
        description="queries: where the model shows no gradients; slower, and less is known of it",
    )
    steps: int = Field(default=500, ge=1, le=10_000)
    iterations: int = Field(default=200, ge=1, le=10_000)
    batch: int = Field(default=32, ge=1, le=1024)
    index: float = Field(default=3.5, gt=0, le=100)
    clean_above: float = Field(default=0.9, ge=0, lt=1)
    least_fitted: float = Field(default=0.75, gt=0, le=1)
    least_gap: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="by which a patch must change more of other confident samples than of others",
    )
    least_labels: int = Field(default=4, ge=4)

    def settings(self) -> dict[str, Any]:
        """See `DetectorSpec.settings`."""
        judged = {"index", "clean_above", "least_fitted", "least_gap", "least_labels"}
        return self.model_dump(mode="json", exclude={*OF_THE_POLICY, *judged})


class Detectors(Strict):
    """The detectors that this release has, and `others`, which plug-ins bring.

    One that is not named is off. What `others` names need not be installed here: the server, which
    decides, has only the evidence of it.
    """

    model_xray: ModelXraySpec | None = None
    trigger_sweep: TriggerSweepSpec | None = None
    b3d: B3DSpec | None = None
    dtinspector: DTInspectorSpec | None = None
    others: dict[OtherName, OtherSpec] = Field(default_factory=dict)

    def named(self) -> dict[str, DetectorSpec]:
        """The settings of those that the policy names, in the order of a report."""
        known: dict[str, DetectorSpec | None] = {
            "model_xray": self.model_xray,
            "trigger_sweep": self.trigger_sweep,
            "b3d": self.b3d,
            "dtinspector": self.dtinspector,
        }
        named = {name: spec for name, spec in known.items() if spec is not None}
        return {**named, **{name: self.others[name] for name in sorted(self.others)}}

    @property
    def compare_with_a_champion(self) -> bool:
        """Whether a scan needs the newest version that passed."""
        sweep = self.trigger_sweep
        return sweep is not None and sweep.mode != "off" and sweep.against_champion

    def mode(self, name: str) -> Mode:
        """Whether a detector counts; `off` for one that is not named."""
        spec = self.named().get(name)
        return "off" if spec is None else spec.mode

    def only(self, name: str) -> Self:
        """The same, without the other detectors."""
        kept: dict[str, Any] = dict.fromkeys(self.named().keys() - self.others.keys() - {name})
        kept["others"] = {other: spec for other, spec in self.others.items() if other == name}
        return self.model_copy(update=kept)

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: Any) -> Any:
        # Somebody who writes `trigger_sweep:` and no more does not mean to switch it off.
        if value is None:
            raise ValueError("says nothing; write `{}` after it for the usual settings")
        return value

    @field_validator("others")
    @classmethod
    def _not_ours(cls, others: dict[str, OtherSpec]) -> dict[str, OtherSpec]:
        if ours := sorted(others.keys() & cls.model_fields.keys()):
            raise ValueError(
                f"{ours[0]} is no detector of a plug-in; name it under `detectors` itself"
            )
        return others

    @model_validator(mode="after")
    def _near_what_runs_before(self) -> Self:
        named = self.named()
        for name, spec in named.items():
            before = list(named)[: list(named).index(name)]
            for cheap in [] if spec.only_near is None else spec.only_near.detectors:
                problem = None
                if cheap not in before or named[cheap].mode == "off":
                    problem = "is not used, or does not run before it"
                elif named[cheap].only_near is not None:
                    problem = "has `only_near` itself"
                if problem:
                    raise ValueError(
                        f"{name}.only_near names {cheap}, which {problem}; name a detector that "
                        f"always runs before {name}, or remove only_near"
                    )
        return self

    @model_serializer(mode="wrap")
    def _without_the_unnamed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Nor an `others` that names nobody: both leave the digest as it was without them.
        dumped = {name: spec for name, spec in handler(self).items() if spec is not None}
        return dumped if self.others else {k: v for k, v in dumped.items() if k != "others"}
