"""What keys, trust and attestations share: hostile files read within bounds, and times."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from xray_gate.core.errors import InputError
from xray_gate.core.strict_json import loads_strictly

CLOCK_SKEW = timedelta(minutes=5)
"""By how much the clocks of two machines may differ."""

_DURATION = re.compile(r"([0-9]{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Closed(BaseModel):
    """A format of our own: nothing in it is unknown to us, and nothing is converted."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class Open(Closed):
    """A format of others, in which unknown fields are to be ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).strftime(_TIME)


def time_of(text: str) -> datetime:
    """The time that `time_text` wrote; ValueError for any other text."""
    time = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    if time_text(time) != text:
        raise ValueError(f"{text[:40]!r} is not a time as 2026-11-22T08:30:00Z")
    return time


def _checked_time(text: str) -> str:
    time_of(text)
    return text


TimeText = Annotated[str, AfterValidator(_checked_time)]
HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Model = TypeVar("Model", bound=BaseModel)


def read_bytes(path: Path, limit: int, what: str) -> bytes:
    """A file of at most `limit` bytes; `InputError` names `what` it should have been."""
    try:
        # Neither a pipe, which would be waited for, nor a device, which would never end.
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; name the {what}")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check the path of the {what}"
        ) from error
    if len(content) > limit:
        raise InputError(f"{path}: is larger than {limit:,} bytes; name the {what}")
    return content


def parse(model: type[Model], data: bytes, what: str) -> Model:
    """What JSON bytes say, as `model`; `InputError` names what is wrong with the `what`."""
    try:
        values: Any = loads_strictly(data)
    except ValueError as error:
        raise InputError(f"the {what} is not valid JSON ({error}); give it unchanged") from error
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(f"the {what} is malformed: {_first(error)}; give it unchanged") from error


def duration_of(text: str) -> timedelta:
    """`30d`, `12h` or `5m`; `InputError` for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no duration; write 30d, 12h or 5m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:200]
    return f"{place}: {first['msg'][:200]}" if place else first["msg"][:200]
