"""Declared results of policies: evidence of real scans, and what has to come out of it.

They lie in `*.test.yaml` files beside the policies, so that a pull request that changes a policy
shows which results it means to change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from xray_gate.core.errors import PolicyError
from xray_gate.core.evidence import Evidence
from xray_gate.core.strict_json import loads_strictly
from xray_gate.core.verdict import Decision, Place, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy, PolicySet, is_test_file, read_policies, read_policy
from xray_gate.policy.replay import judged
from xray_gate.policy.strict import Strict
from xray_gate.policy.text import parse_as

NO_POLICY = "none"
_MOST_BYTES = 64 * 2**20


class Expectation(Strict):
    """What has to come out; what is not named may be anything.

    `reason`: a part of one of the reasons. `policy`: the one that matches, `none` for no one.
    """

    verdict: Verdict | None = None
    admitted: bool | None = None
    reason: str | None = Field(default=None, min_length=1)
    policy: str | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("expects nothing; name verdict, admitted, reason or policy")
        return self


class Case(Strict):
    """A scan as if it had been one of `registered_model`; `evidence` is a path beside the file.

    `tags` are those of the registered model.
    """

    name: str = Field(min_length=1)
    registered_model: str = Field(min_length=1)
    tags: dict[str, str] = Field(default_factory=dict)
    evidence: str = Field(min_length=1)
    expect: Expectation


class DeclaredResults(Strict):
    """One file of cases."""

    api_version: Literal["xray-gate/v1"] = Field(alias="apiVersion")
    kind: Literal["PolicyTest"]
    cases: list[Case] = Field(min_length=1)


@dataclass(frozen=True)
class CaseResult:
    """A case and how what came out differs from what was expected; empty where it does not."""

    file: Path
    name: str
    differences: tuple[str, ...]


def run_cases(path: Path) -> list[CaseResult]:
    """Judge every case beside the policies at `path`, a folder or a policy's own file.

    A folder's cases are judged by all of its policies, as a registry reads it; those of a policy's
    own file, `NAME.test.yaml` beside `NAME.yaml`, by that policy alone. A policy without `match`,
    which no registry uses, judges its own cases whatever their registered model is.

    Raises `PolicyError` for a file that cannot be read, and where there is no case: nothing that
    was not tried may look as if it held.
    """
    policies = read_policies(path)
    found = [result for file in _test_files(path) for result in _of_file(file, policies)]
    if not found:
        name = "NAME" if path.is_dir() else path.stem
        raise PolicyError(
            f"{path}: there are no declared results; write some into a file {name}.test.yaml "
            "beside it"
        )
    return found


def has_cases(path: Path) -> bool:
    """Whether `run_cases` would find a file of declared results."""
    return bool(_test_files(path))


def _test_files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if is_test_file(file))
    names = [path.with_name(f"{path.stem}.test{suffix}") for suffix in (".yaml", ".yml")]
    return [file for file in names if file.is_file()]


def _policy_of_scans(file: Path) -> Policy | None:
    """The policy without `match` that a file of results lies beside, if there is one."""
    stem = file.name.rpartition(".test.")[0]
    for suffix in (".yaml", ".yml"):
        beside = file.with_name(f"{stem}{suffix}")
        if beside.is_file() and (policy := read_policy(beside)).document.match is None:
            return policy
    return None


def _of_file(file: Path, policies: PolicySet) -> Iterator[CaseResult]:
    own = _policy_of_scans(file)
    for case in parse_as(DeclaredResults, file, "file of declared results").cases:
        evidence = read_evidence(file.parent / case.evidence)
        policy, decision = own, None if own is None else decide(own, evidence, Place.PULL_REQUEST)
        if decision is None:
            policy, decision = judged(policies, case.registered_model, evidence, case.tags)
        yield CaseResult(file, case.name, tuple(_differences(case.expect, policy, decision)))


def _differences(expect: Expectation, policy: Policy | None, decision: Decision) -> Iterator[str]:
    name = NO_POLICY if policy is None else policy.name
    if expect.policy not in (None, name):
        yield f"policy {name}, expected {expect.policy}"
    if expect.verdict not in (None, decision.verdict):
        reasons = "; ".join(decision.reasons)
        yield f"verdict {decision.verdict}, expected {expect.verdict} ({reasons})"
    if expect.admitted not in (None, decision.admits):
        words = {True: "admitted", False: "refused"}
        yield f"{words[decision.admits]}, expected {words[not decision.admits]}"
    if expect.reason is not None and not any(expect.reason in one for one in decision.reasons):
        yield f"no reason has {expect.reason!r}: {'; '.join(decision.reasons)}"


def read_evidence(path: Path) -> Evidence:
    """Evidence as a scan's folder holds it (`evidence.json`); `PolicyError` where it is none."""
    try:
        # Neither a pipe, which would be waited for, nor a device, which would never end.
        if not path.is_file():
            raise PolicyError(f"{path}: there is no such file; check the path")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise PolicyError(f"{path}: is larger than 64 MiB, and no evidence of a scan is")
        return Evidence.from_json(loads_strictly(content))
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(
            f"{path}: is no evidence of a scan ({error}); take evidence.json from the folder of "
            "`xray-gate scan --out`, or from the MLflow run of a scan"
        ) from error
