"""Policy v1 as it stands in a YAML file, validated by pydantic."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from xray_gate.core.isolation import Isolation, LeastIsolation
from xray_gate.core.model_format import Format
from xray_gate.core.model_ref import is_uri
from xray_gate.core.verdict import Enforcement, Place
from xray_gate.policy.decision_spec import DecisionSpec
from xray_gate.policy.detector_specs import Detectors
from xray_gate.policy.strict import Strict

Glob = Annotated[str, Field(min_length=1)]


class Match(Strict):
    """Which registered models the policy is for; all that is said has to hold.

    `registered_models`: globs over their names, one of which has to match. `tags`: keys of tags of
    the registered model (not of the version, whose registrant writes those), each with a glob for
    its value; all have to be there. `flavours`: globs over what the version's MLmodel names, one of
    which has to match; a model without MLmodel has none. Case counts in the keys of tags only.
    """

    registered_models: list[Glob] = Field(min_length=1)
    tags: dict[Annotated[str, Field(min_length=1)], Glob] = Field(default_factory=dict)
    flavours: Annotated[list[Glob], Field(min_length=1)] | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self), "tags", "flavours")


Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


class ProbesSpec(Strict):
    """Clean samples by what they are, wherever they lie.

    `uri`: a path as `probes` is, or a place that MLflow's artifact stores can read. `digest`: as
    reports and `policy check` tell it, over pixels and labels in the size of `preprocessing`.
    """

    uri: Annotated[str, Field(min_length=1)]
    digest: Digest


def _path_only(text: str) -> str:
    if is_uri(text):
        raise ValueError(
            "is a place that others may write to; write it as `uri`, with the `digest` of the "
            "samples beside it"
        )
    return text


def _kind_of_probes(value: Any) -> str | None:
    if isinstance(value, str):
        return "<path>"
    return "<place>" if isinstance(value, dict | ProbesSpec) else None


# Without a digest only a path: whoever may write to another place could choose what is asked.
ProbesSetting = Annotated[
    Annotated[str, AfterValidator(_path_only), Tag("<path>")]
    | Annotated[ProbesSpec, Tag("<place>")],
    Discriminator(
        _kind_of_probes,
        custom_error_type="probes",
        custom_error_message="is neither a path nor a mapping of `uri` and `digest`",
    ),
]


class LoggedTrainingData(Strict):
    """The training data that whoever trained the model logged with its MLflow run."""

    source: Literal["model_run"] = Field(alias="from")


def _kind_of_training_data(value: Any) -> str | None:
    if isinstance(value, str):
        return "<path>"
    return "<logged>" if isinstance(value, dict | LoggedTrainingData) else None


# A path as `probes` is, or a mapping: no word that could be a file's name.
TrainingDataSpec = Annotated[
    Annotated[str, Tag("<path>")] | Annotated[LoggedTrainingData, Tag("<logged>")],
    Discriminator(
        _kind_of_training_data,
        custom_error_type="training_data",
        custom_error_message="is neither a path nor the mapping {from: model_run}",
    ),
]


class PreprocessingSpec(Strict):
    """From pixels in [0, 1] to the model's input; see `probing.preprocessing`."""

    scale: float = Field(default=1.0, gt=0)
    mean: list[float] | None = None
    std: list[Annotated[float, Field(gt=0)]] | None = None
    layout: Literal["auto", "nchw", "nhwc"] = "auto"
    dtype: Literal["auto", "float32", "float16", "uint8"] = "auto"
    size: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)] | None = (
        None
    )


class EnforcementByPlace(Strict):
    """A mode for each place; a place that is not named enforces.

    `registration`: under `enforce` a version becomes READY when it passed; under `warn` and `audit`
    when it was scanned, whatever the verdict (under `warn` its status says which); under `off` at
    once, and nothing is scanned. `promotion`: `enforce` asks for a pass, `warn` and `audit` for a
    scan (`warn` writes its verdict into the status), `off` for nothing. `pull_request` and
    `pre_commit`: `enforce` fails the check, `warn` says what was found, `audit` only reports it,
    `off` does not scan.
    """

    registration: Enforcement = Enforcement.ENFORCE
    promotion: Enforcement = Enforcement.ENFORCE
    pull_request: Enforcement = Enforcement.ENFORCE
    pre_commit: Enforcement = Enforcement.ENFORCE


def _kind_of_enforcement(value: Any) -> str | None:
    if isinstance(value, str):
        return "<mode>"
    return "<by place>" if isinstance(value, dict | EnforcementByPlace) else None


EnforcementSpec = Annotated[
    Annotated[Enforcement, Tag("<mode>")] | Annotated[EnforcementByPlace, Tag("<by place>")],
    Discriminator(
        _kind_of_enforcement,
        custom_error_type="enforcement",
        custom_error_message=(
            "is neither a mode (enforce, warn, audit, off) nor a mapping of places to modes"
        ),
    ),
]


class Promotion(Strict):
    """What counts as a promotion and therefore needs an admitting verdict.

    `copies`: into every name that the policy is for, into none, or into those that a glob matches.
    """

    free_aliases: list[Glob] = Field(default_factory=list)
    stages: list[Literal["Staging", "Production"]] = Field(default=["Staging", "Production"])
    copies: bool | Annotated[list[Glob], Field(min_length=1)] = True


class Limits(Strict):
    """What the process that holds the model may use, and what its files may be."""

    seconds: float = Field(default=600.0, gt=0)
    memory_mb: int = Field(default=8192, ge=64)
    files: int = Field(default=10_000, ge=1)
    files_mb: int = Field(default=16_384, ge=1)

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self), "files", "files_mb")


def _without_the_usual(spec: Strict, dumped: dict[str, Any], *added_later: str) -> dict[str, Any]:
    """`dumped` without the settings that came later and have their default.

    So that a policy which does not speak of them keeps the digest that it always had.
    """
    fields = type(spec).model_fields
    usual = {
        name
        for name in added_later
        if getattr(spec, name) == fields[name].get_default(call_default_factory=True)
    }
    return {name: value for name, value in dumped.items() if name not in usual}


class IsolationSpec(Strict):
    """The weakest isolation in which the process that holds the model may run.

    `pickled` is for formats that run code of whoever made the file: TorchScript, torch.export and
    MLflow's flavours but ONNX; `other` for the rest.
    """

    pickled: Literal["landlock+seccomp", "bubblewrap"] = "landlock+seccomp"
    other: Isolation = "process"
    unsafe_pickled_in_process: bool = False

    @property
    def least(self) -> LeastIsolation:
        """The same as a scan asks for it."""
        pickled: Isolation = "process" if self.unsafe_pickled_in_process else self.pickled
        return LeastIsolation(pickled, self.other)


class ExceptionsSpec(Strict):
    """That reviewed exceptions count, and how many days one may last at most."""

    most_days: int = Field(ge=1, le=366)


class BreakGlassSpec(Strict):
    """That an operator may let one promotion through, and for how many minutes it may be used."""

    minutes: int = Field(ge=1, le=1440)


_ADDED_LATER = (
    "formats",
    "decision",
    "same_bytes",
    "max_age_days",
    "isolation",
    "unsafe_unchecked_code",
    "owner",
    "precedence",
    "unsafe_admit_undecided",
    "unsafe_admit_not_applicable",
    "exceptions",
    "break_glass",
)


class PolicyDocument(Strict):
    """One policy. `match` may be missing only where a policy is not used by a registry."""

    api_version: Literal["xray-gate/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    name: str = Field(min_length=1, max_length=100)
    owner: str = Field(default="", max_length=200, description="the team to ask about the policy")
    description: str = ""
    match: Match | None = None
    precedence: int = Field(
        default=0,
        ge=-1000,
        le=1000,
        strict=True,
        description="of several policies that match, the one with the highest counts",
    )
    enforcement: EnforcementSpec = Enforcement.ENFORCE
    probes: ProbesSetting | None = None
    formats: list[Format] | None = Field(default=None, min_length=1)
    training_data: TrainingDataSpec | None = None
    classes: int | None = Field(default=None, ge=2, description="labels that the model must have")
    class_names: list[str] | None = None
    min_probe_accuracy: float = Field(default=0.5, ge=0, le=1)
    preprocessing: PreprocessingSpec = PreprocessingSpec()
    outputs: Literal["auto", "logits", "probabilities", "labels"] = "auto"
    detectors: Detectors
    decision: DecisionSpec = DecisionSpec()
    promotion: Promotion = Promotion()
    limits: Limits = Limits()
    same_bytes: Literal["snapshot", "verify"] = "snapshot"
    max_age_days: float | None = Field(default=None, gt=0)
    isolation: IsolationSpec = IsolationSpec()
    exceptions: ExceptionsSpec | None = None
    break_glass: BreakGlassSpec | None = None
    unsafe_allow_unscanned_reads: bool = False
    unsafe_unchecked_code: bool = False
    unsafe_admit_undecided: bool = False
    unsafe_admit_not_applicable: bool = False

    def mode(self, place: Place) -> Enforcement:
        """What a verdict leads to at `place`."""
        if isinstance(self.enforcement, Enforcement):
            return self.enforcement
        mode: Enforcement = getattr(self.enforcement, place.value)
        return mode

    @model_validator(mode="after")
    def _something_decides(self) -> Self:
        required = [s for s in self.detectors.named().values() if s.mode == "required"]
        if not required:
            raise ValueError(
                "no detector is required, so nothing could ever justify a pass; "
                "set detectors.trigger_sweep.mode to required"
            )
        if all(spec.only_near for spec in required):
            raise ValueError(
                "every required detector has `only_near`, so a version could pass without any of "
                "them; set detectors.trigger_sweep.mode to required, without only_near"
            )
        return self

    @model_validator(mode="after")
    def _weights_are_of_its_detectors(self) -> Self:
        weights, named = self.decision.weights or {}, self.detectors.named()
        if unknown := [name for name in weights if name not in named]:
            raise ValueError(
                f"decision.weights names {', '.join(unknown)}, and `detectors` does not; name it "
                f"there, or use one of {', '.join(named)}"
            )
        if weights and all(named[name].mode == "off" for name in weights):
            raise ValueError(
                "every detector in decision.weights is off, so nothing could ever fail; give a "
                "weight to one that is required or optional"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_the_usual(self, handler(self), *_ADDED_LATER)
