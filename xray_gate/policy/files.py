"""Policies on disk: read, validated with file and line, matched by name, reloaded on change."""

import difflib
import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from xray_gate.core.errors import PolicyError
from xray_gate.policy.calibration import Calibration, read_calibration
from xray_gate.policy.document import CalibratedBounds, PolicyDocument


@dataclass(frozen=True)
class Policy:
    """A validated policy with what it refers to.

    It is self-contained, so that it can be kept and replayed without its files.
    """

    document: PolicyDocument
    calibration: Calibration | None
    probes: Path | None
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self._decisive()))

    @property
    def name(self) -> str:
        """The policy's own name."""
        return self.document.name

    def matches(self, registered_model: str) -> bool:
        """Whether the policy is for this registered model; case does not count."""
        globs = self.document.match.registered_models if self.document.match else []
        return any(matches_glob(registered_model, glob) for glob in globs)

    def _decisive(self) -> dict[str, Any]:
        # Where the probes lie differs between machines and decides nothing; which probes they
        # are is bound by the calibration.
        return {
            "document": self.document.model_dump(mode="json", by_alias=True, exclude={"probes"}),
            "calibration": self.calibration and self.calibration.model_dump(mode="json"),
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for the ledger."""
        probes = None if self.probes is None else str(self.probes)
        return {**self._decisive(), "probes": probes}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Policy":
        """Rebuild from `to_json`; `PolicyError` when it does not validate."""
        try:
            return cls(
                document=PolicyDocument.model_validate(data["document"]),
                calibration=data["calibration"] and Calibration.model_validate(data["calibration"]),
                probes=None if data["probes"] is None else Path(data["probes"]),
            )
        except (ValidationError, KeyError, TypeError) as error:
            raise PolicyError(
                f"a policy kept in the ledger cannot be read by this version ({error}); "
                "restart the server and the runner with the same version of xray-gate"
            ) from error


@dataclass(frozen=True)
class PolicySet:
    """All policies of a registry."""

    policies: tuple[Policy, ...]

    def match(self, registered_model: str) -> Policy | None:
        """The one policy for a registered model, or None; `PolicyError` when several claim it."""
        found = [policy for policy in self.policies if policy.matches(registered_model)]
        if len(found) > 1:
            names = " and ".join(policy.name for policy in found)
            raise PolicyError(
                f"{registered_model}: the policies {names} both match; "
                "make their match.registered_models patterns disjoint"
            )
        return found[0] if found else None

    @property
    def digest(self) -> str:
        """`sha256:` and a hash over the policies' digests and the places of their probes."""
        return _digest([policy.to_json() for policy in self.policies])

    def to_json(self) -> list[dict[str, Any]]:
        """As JSON values, for the ledger."""
        return [policy.to_json() for policy in self.policies]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> "PolicySet":
        """Rebuild from `to_json`; `PolicyError` when it does not validate."""
        return cls(tuple(Policy.from_json(item) for item in data))


class PolicyPlace:
    """A policy file or folder that is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: Hashable = None
        self._policies = PolicySet(())

    def current(self) -> PolicySet:
        """The policies as they are now; `PolicyError` while any of them is broken."""
        stamp = tuple(_stamp(path) for path in _files(self._path))
        if stamp != self._seen:
            self._policies = read_policies(self._path)
            # A calibration that a policy names can change as well as the policy itself.
            self._seen = stamp
        return self._policies


def read_policies(path: Path) -> PolicySet:
    """Read a policy file, or every `*.yaml` and `*.yml` of a folder (not of its sub-folders)."""
    policies = tuple(read_policy(file) for file in policy_files(path))
    seen: dict[str, int] = {}
    for policy in policies:
        seen[policy.name] = seen.get(policy.name, 0) + 1
        if seen[policy.name] > 1:
            raise PolicyError(f"{path}: two policies are named {policy.name!r}; rename one")
    return PolicySet(policies)


def policy_files(path: Path) -> list[Path]:
    """The files that `read_policies` reads; `PolicyError` when there are none."""
    if path.is_dir():
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        if not files:
            raise PolicyError(f"{path}: the folder holds no policy; put a .yaml file there")
        return files
    if not path.is_file():
        raise PolicyError(f"{path}: there is no policy file or folder of that name; check the path")
    return [path]


def read_policy(path: Path, *, with_calibration: bool = True) -> Policy:
    """Read one policy with its calibration; `PolicyError` names file, line, key and remedy.

    Without its calibration a policy says what to measure, and admits nothing.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = _Loader(text).get_single_data()
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise PolicyError(f"{path}:{_yaml_problem(error)}; correct the YAML") from error
    if not isinstance(data, dict):
        raise PolicyError(f"{path}:1: a policy is a mapping that begins with `apiVersion:`")
    try:
        document = PolicyDocument.model_validate(data)
    except ValidationError as error:
        problems = [_describe(path, root, item) for item in error.errors()]
        raise PolicyError("\n".join(dict.fromkeys(problems))) from error
    thresholds = document.detectors.model_xray.thresholds
    calibration = None
    if with_calibration and isinstance(thresholds, CalibratedBounds):
        calibration = read_calibration(path.parent / thresholds.calibration)
    probes = None if document.probes is None else (path.parent / document.probes).resolve()
    return Policy(document, calibration, probes)


def matches_glob(name: str, glob: str) -> bool:
    """Shell-style match without regard to case."""
    return fnmatchcase(name.lower(), glob.lower())


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{mark.line + 1 if mark else 1}: {problem}"


def _describe(path: Path, root: yaml.Node | None, error: Any) -> str:
    loc = [part for part in error["loc"] if not _is_branch(part)]
    line, key = _line_of(root, loc), ".".join(str(part) for part in loc) or "the policy"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), list(_keys_at(loc[:-1])), n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else "allowed: " + ", ".join(_keys_at(loc[:-1]))
        message = f"is not a setting; {hint}"
    elif error["type"] == "missing":
        message = "is missing; add it"
    return f"{path}:{line}: {key}: {message}"


def _is_branch(part: Any) -> bool:
    # pydantic names the branches of a union in the location: they are no keys of the file.
    return part in ("CalibratedBounds", "list[FixedBound]")


def _line_of(root: yaml.Node | None, loc: Sequence[Any]) -> int:
    node, line = root, 1
    for part in loc:
        child = _child(node, part)
        if child is None:
            break
        node, line = child
    return line


def _child(node: yaml.Node | None, part: Any) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None


def _keys_at(loc: Sequence[Any]) -> Iterator[str]:
    model: Any = PolicyDocument
    for part in loc:
        info = model.model_fields.get(str(part))
        model = info and _model_in(info.annotation)
        if model is None:
            return
    yield from (info.alias or name for name, info in model.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path, *path.parent.glob("*.json")]
    return sorted(path.glob("*.y*ml")) + sorted(path.glob("*.json"))


def _stamp(path: Path) -> Hashable:
    try:
        stat = path.stat()
    except OSError:
        return (str(path), None)
    return (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
