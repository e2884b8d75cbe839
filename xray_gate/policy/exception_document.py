"""An exception as it stands in a YAML file of its own, beside the policies."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, StringConstraints, field_validator

from xray_gate.core.errors import PolicyError
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.strict import Strict
from xray_gate.policy.text import line_of, parse_as

UNDECIDED, AGE = "undecided", "age"
CLASSES = (UNDECIDED, AGE)
"""What an exception may excuse besides what a detector found."""

_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
_ISO_DAY = "%Y-%m-%d"


class ExceptionDocument(Strict):
    """Admits these bytes, under this policy, in spite of this one rule, until that day.

    `rule`: a detector, for what it found; `undecided`, for whatever left the verdict open; or
    `age`. It counts from the beginning of `created` to the beginning of `expires`, in UTC.
    """

    api_version: Literal["xray-gate/v1"] = Field(alias="apiVersion")
    kind: Literal["Exception"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]*$", max_length=100)
    policy: _Said
    model: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="the digest of the version")
    rule: _Said
    owner: _Said
    reason: _Said
    ticket: _Said
    created: str
    expires: str

    @field_validator("created", "expires")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        try:
            written = datetime.strptime(value, _ISO_DAY).strftime(_ISO_DAY)
        except ValueError:
            written = ""
        if written != value:
            raise ValueError("is no day; write it as 2026-12-31")
        return value

    @property
    def begins_at(self) -> float:
        """The beginning of `created`, in seconds since the epoch."""
        return _begin_of(self.created)

    @property
    def ends_at(self) -> float:
        """The beginning of `expires`, in seconds since the epoch."""
        return _begin_of(self.expires)

    @property
    def days(self) -> int:
        """How long it lasts."""
        return (date.fromisoformat(self.expires) - date.fromisoformat(self.created)).days


def _begin_of(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def is_exception_file(path: Path) -> bool:
    """Whether a file holds an exception and no policy: `*.exception.yaml`."""
    return path.name.endswith((".exception.yaml", ".exception.yml"))


def exception_files(path: Path) -> list[Path]:
    """The exceptions of a folder of policies, or those beside a policy's own file."""
    folder = path if path.is_dir() else path.parent
    found = [*folder.glob("*.exception.yaml"), *folder.glob("*.exception.yml")]
    return sorted(file for file in found if is_exception_file(file))


@dataclass(frozen=True)
class ExceptionFile:
    """An exception, and where it stands."""

    path: Path
    document: ExceptionDocument

    def problem(self, text: str) -> str:
        """`text`, which begins with a key of the file and a colon, with file and line before it."""
        return f"{self.path}:{_line_of(self.path, text.partition(':')[0])}: {text}"


def _line_of(path: Path, key: str) -> int:
    try:
        return line_of(path, key)
    except (OSError, ValueError, PolicyError, yaml.YAMLError):
        # Somebody is writing it; it is read anew then.
        return 1


def read_exceptions(files: Iterable[Path]) -> tuple[list[ExceptionFile], list[str]]:
    """Those that can be read, and what is wrong with the others: file, line, key and remedy.

    One that is broken takes nothing else down: it does not count, and that is all.
    """
    read: list[ExceptionFile] = []
    problems: list[str] = []
    for file in files:
        try:
            read.append(ExceptionFile(file, parse_as(ExceptionDocument, file, "exception")))
        except PolicyError as error:
            problems += _problems(file, str(error))
    names = Counter(one.document.name for one in read)
    doubled = [one for one in read if names[one.document.name] > 1]
    problems += [
        one.problem(f"name: two exceptions are named {one.document.name!r}; rename one")
        for one in doubled
    ]
    return [one for one in read if one not in doubled], problems


def _problems(file: Path, text: str) -> list[str]:
    """One for each problem; what a YAML reader says may itself have several lines."""
    first, *others = text.split(f"\n{file}:")
    return [" ".join(one.split()) for one in (first, *(f"{file}:{other}" for other in others))]


def why_it_never_counts(found: ExceptionDocument, policy: PolicyDocument) -> str | None:
    """What the policy that it names has against it whatever the day, with the remedy."""
    detectors = list(policy.detectors.named())
    if policy.exceptions is None:
        return (
            f"policy: {policy.name} allows no exceptions; set exceptions.most_days there, or "
            "remove this file"
        )
    if found.rule not in (*detectors, *CLASSES):
        return f"rule: {found.rule!r} is none; use one of {', '.join([*detectors, *CLASSES])}"
    if found.rule in detectors and found.rule in CLASSES:
        return f"rule: {found.rule!r} is a detector's name, too; rename the plug-in's detector"
    if found.days < 1:
        return f"expires: {found.expires} is not after created {found.created}; set a later day"
    if found.days > policy.exceptions.most_days:
        return (
            f"expires: it lasts {found.days} days, and {policy.name} allows "
            f"{policy.exceptions.most_days} (exceptions.most_days); set an earlier day"
        )
    return None


def why_not_today(found: ExceptionDocument, now: float) -> str | None:
    """Why it does not count at `now` (seconds since the epoch), with the remedy."""
    if now < found.begins_at:
        return f"created: {found.created} is in the future; set the day on which it is merged"
    if now >= found.ends_at:
        return (
            f"expires: it has expired on {found.expires}; remove the file, or have a new one "
            "reviewed"
        )
    return None


def assigned(
    read: Sequence[ExceptionFile], policies: Sequence[PolicyDocument], *, all_policies: bool
) -> tuple[dict[str, tuple[ExceptionDocument, ...]], list[str]]:
    """Those that can count, by the policy's name, and what is wrong with the others.

    Without `all_policies` there may be others, and what names one of these is left alone.
    """
    known = {policy.name: policy for policy in policies}
    found: dict[str, tuple[ExceptionDocument, ...]] = {}
    problems: list[str] = []
    for one in read:
        named = one.document.policy
        policy = known.get(named)
        if policy is None:
            if all_policies:
                names = ", ".join(sorted(known)) or "none"
                problems.append(one.problem(f"policy: there is no {named!r}; use one of {names}"))
            continue
        problem = why_it_never_counts(one.document, policy)
        if problem is None:
            found[named] = (*found.get(named, ()), one.document)
        else:
            problems.append(one.problem(problem))
    return found, problems
