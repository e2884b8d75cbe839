"""Policies on disk: read, validated with file and line, matched by name, reloaded on change."""

import hashlib
import json
import logging
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xray_gate.core.errors import PolicyError
from xray_gate.core.model_ref import is_uri
from xray_gate.policy import matching
from xray_gate.policy.calibration import Calibration, read_calibration
from xray_gate.policy.document import LoggedTrainingData, PolicyDocument, ProbesSpec
from xray_gate.policy.exception_document import (
    ExceptionDocument,
    assigned,
    exception_files,
    is_exception_file,
    read_exceptions,
)
from xray_gate.policy.matching import Subject
from xray_gate.policy.text import line_of, parse_document
from xray_gate.policy.xray_thresholds import CalibratedBounds

_NAMED = "detectors.model_xray.thresholds.calibration"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """A validated policy with what it refers to.

    It is self-contained, so that it can be kept and replayed without its files. `probes` and
    `training_data` are their paths, where the document gives them; `probes_uri` is a place in an
    artifact store instead of a path, `probes_digest` what they must be. `exceptions` are those that
    name it; they are no part of its digest, since they change no verdict.
    """

    document: PolicyDocument
    calibration: Calibration | None
    probes: Path | None
    training_data: Path | None = None
    probes_uri: str | None = None
    probes_digest: str | None = None
    exceptions: tuple[ExceptionDocument, ...] = ()
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self._decisive()))

    @property
    def name(self) -> str:
        """The policy's own name."""
        return self.document.name

    @property
    def wants_logged_training_data(self) -> bool:
        """Whether the training data are those that were logged with the model's MLflow run."""
        return isinstance(self.document.training_data, LoggedTrainingData)

    def matches(self, registered_model: str) -> bool:
        """Whether its names are those of this registered model; case does not count."""
        return matching.fits(self.document.match, Subject(registered_model)) is not False

    def _decisive(self) -> dict[str, Any]:
        # Where the probes lie differs between machines and decides nothing; which probes they
        # are is bound by the calibration, or by their digest. So it is with training data, and
        # their digest stands in the evidence; but that the registrant may choose them is the
        # policy's decision.
        places = {"probes"} if self.wants_logged_training_data else {"probes", "training_data"}
        kept = {
            "document": self.document.model_dump(mode="json", by_alias=True, exclude=places),
            "calibration": self.calibration and self.calibration.model_dump(mode="json"),
        }
        # So that the others keep the digest that they always had.
        return kept if self.probes_digest is None else {**kept, "probes_digest": self.probes_digest}

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for the ledger."""
        places = {"probes": self.probes, "training_data": self.training_data}
        exceptions = [one.model_dump(mode="json", by_alias=True) for one in self.exceptions]
        return {
            **self._decisive(),
            **{name: None if path is None else str(path) for name, path in places.items()},
            "probes_uri": self.probes_uri,
            # Not where there are none, so that such a set keeps the digest that it always had.
            **({"exceptions": exceptions} if exceptions else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Policy":
        """Rebuild from `to_json`; `PolicyError` when it does not validate."""
        try:
            return cls(
                document=PolicyDocument.model_validate(data["document"]),
                calibration=data["calibration"] and Calibration.model_validate(data["calibration"]),
                probes=_path(data["probes"]),
                # Missing in what an older version kept.
                training_data=_path(data.get("training_data")),
                probes_uri=data.get("probes_uri"),
                probes_digest=data.get("probes_digest"),
                exceptions=tuple(
                    ExceptionDocument.model_validate(one) for one in data.get("exceptions", ())
                ),
            )
        except (ValidationError, KeyError, TypeError) as error:
            raise PolicyError(
                f"a policy kept in the ledger cannot be read by this version ({error}); "
                "restart the server and the runner with the same version of xray-gate"
            ) from error


@dataclass(frozen=True)
class PolicySet:
    """All policies of a registry.

    `problems`: exceptions beside them that cannot count, each with file, line, key and remedy.
    """

    policies: tuple[Policy, ...]
    problems: tuple[str, ...] = ()

    def match(
        self,
        registered_model: str,
        tags: Mapping[str, str] | None = None,
        flavours: Collection[str] | None = None,
    ) -> Policy | None:
        """The policy for a registered model, or None; `PolicyError` when several claim it.

        Of several that match, the one with the highest precedence counts. The order of the files
        never does. Raises `Undetermined` where it hangs on the registered model's `tags`, or on the
        version's `flavours`, and these are not known (None).
        """
        return matching.match(self.policies, Subject(registered_model, tags, flavours))

    def candidates(
        self,
        registered_model: str,
        tags: Mapping[str, str] | None = None,
        flavours: Collection[str] | None = None,
    ) -> list[Policy]:
        """Those of which `match` may give one, when all is known; the highest precedence first."""
        return matching.candidates(self.policies, Subject(registered_model, tags, flavours))

    def asks_for_tags(self, registered_model: str) -> bool:
        """Whether which policy a name has may hang on its tags."""
        found = [p.document.match for p in self.policies if p.matches(registered_model)]
        return any(match.tags for match in found if match is not None)

    @cached_property
    def digest(self) -> str:
        """`sha256:` and a hash over the policies and the places of their data."""
        return _digest([policy.to_json() for policy in self.policies])

    def to_json(self) -> list[dict[str, Any]]:
        """As JSON values, for the ledger."""
        return [policy.to_json() for policy in self.policies]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> "PolicySet":
        """Rebuild from `to_json`; `PolicyError` when it does not validate."""
        return cls(tuple(Policy.from_json(item) for item in data))


class PolicyPlace:
    """A policy file or folder that is read again when it, or a calibration it names, changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: Hashable = None
        self._calibrations: list[Path] = []
        self._policies = PolicySet(())

    def current(self) -> PolicySet:
        """The policies as they are now; `PolicyError` while any of them is broken."""
        files = policy_files(self._path)
        excuses = exception_files(self._path)
        stamp = tuple(_stamp(path) for path in [*files, *excuses, *self._calibrations])
        if stamp != self._seen:
            self._policies = _read_files(self._path, files)
            for problem in self._policies.problems:
                _logger.warning("an exception does not count: %s", problem)
            # The stamp is older than what was read. Of a calibration that is new here it holds
            # nothing, so the next call reads once more.
            self._seen = stamp
            self._calibrations = _calibrations(files, self._policies)
        return self._policies


def read_policies(path: Path) -> PolicySet:
    """Read a policy file, or every `*.yaml` and `*.yml` of a folder.

    Sub-folders and files of declared results (`*.test.yaml`) are left out; exceptions
    (`*.exception.yaml`) are read as such, also those beside a policy's own file.
    """
    return _read_files(path, policy_files(path))


def _read_files(path: Path, files: Sequence[Path]) -> PolicySet:
    policies = tuple(read_policy(file) for file in files)
    seen: dict[str, int] = {}
    for policy in policies:
        seen[policy.name] = seen.get(policy.name, 0) + 1
        if seen[policy.name] > 1:
            raise PolicyError(f"{path}: two policies are named {policy.name!r}; rename one")
    read, unread = read_exceptions(exception_files(path))
    documents = [policy.document for policy in policies]
    found, problems = assigned(read, documents, all_policies=path.is_dir())
    with_them = (replace(policy, exceptions=found.get(policy.name, ())) for policy in policies)
    return PolicySet(tuple(with_them), (*unread, *problems))


def policy_files(path: Path) -> list[Path]:
    """The files that `read_policies` reads; `PolicyError` when there are none."""
    if path.is_dir():
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        files = [file for file in files if not is_test_file(file) and not is_exception_file(file)]
        if not files:
            raise PolicyError(f"{path}: the folder holds no policy; put a .yaml file there")
        return files
    if not path.is_file():
        raise PolicyError(f"{path}: there is no policy file or folder of that name; check the path")
    return [path]


def is_test_file(path: Path) -> bool:
    """Whether a file declares results of policies and is none itself: `*.test.yaml`."""
    return path.name.endswith((".test.yaml", ".test.yml"))


def read_policy(path: Path, *, with_calibration: bool = True) -> Policy:
    """Read one policy with its calibration; `PolicyError` names file, line, key and remedy.

    Without its calibration a policy says what to measure, and admits nothing.
    """
    document = parse_document(path)
    bounds = calibrated_bounds(document)
    calibration = None
    if with_calibration and bounds is not None:
        try:
            calibration = read_calibration(path.parent / bounds.calibration)
        except PolicyError as error:
            raise PolicyError(f"{path}:{line_of(path, _NAMED)}: {_NAMED}: {error}") from error
    training_data = document.training_data
    probes, probes_digest = _probes(document)
    in_a_store = probes is not None and is_uri(probes)
    return Policy(
        document,
        calibration,
        probes=None if in_a_store else _beside(path, probes),
        training_data=_beside(path, training_data) if isinstance(training_data, str) else None,
        probes_uri=probes if in_a_store else None,
        probes_digest=probes_digest,
    )


def _probes(document: PolicyDocument) -> tuple[str | None, str | None]:
    named = document.probes
    return (named.uri, named.digest) if isinstance(named, ProbesSpec) else (named, None)


def calibrated_bounds(document: PolicyDocument) -> CalibratedBounds | None:
    """The thresholds of a policy that come from a calibration file, if there are any."""
    spec = document.detectors.model_xray
    rule = None if spec is None else spec.thresholds
    return rule if isinstance(rule, CalibratedBounds) else None


def _beside(policy: Path, name: str | None) -> Path | None:
    return None if name is None else (policy.parent / name).resolve()


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _calibrations(files: Sequence[Path], policies: PolicySet) -> list[Path]:
    rules = [calibrated_bounds(policy.document) for policy in policies.policies]
    return [
        file.parent / rule.calibration
        for file, rule in zip(files, rules, strict=True)
        if rule is not None
    ]


def _stamp(path: Path) -> Hashable:
    try:
        stat = path.stat()
    except OSError:
        return (str(path), None)
    return (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
