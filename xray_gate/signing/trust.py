"""Which public keys are trusted, and for signatures of which time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from xray_gate.core.errors import InputError
from xray_gate.signing.keys import PublicKey
from xray_gate.signing.wire import (
    CLOCK_SKEW,
    Closed,
    HexDigest,
    TimeText,
    parse,
    read_bytes,
    time_of,
    time_text,
)

_MOST_BYTES = 2**20
_NEXT_STEP = "give the trust.json that `xray-gate keys new` made, or a folder of such files"


@dataclass(frozen=True)
class TrustedKey:
    """A key, and the time in which its signatures count; None is without a limit."""

    key: PublicKey
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def was_valid_at(self, time: datetime) -> bool:
        """Whether a signature made at `time` counts, by clocks that may differ a little."""
        # By differences: a limit in the year 9999 is as late as a time can be.
        begun = self.valid_from is None or self.valid_from - time <= CLOCK_SKEW
        return begun and (self.valid_until is None or time - self.valid_until <= CLOCK_SKEW)


class _Key(Closed):
    key_id: HexDigest
    public_key: str
    valid_from: TimeText | None
    valid_until: TimeText | None


class _TrustFile(Closed):
    format: Literal["xray-gate/trust-v1"] = "xray-gate/trust-v1"
    keys: Annotated[list[_Key], Field(min_length=1, max_length=1000)]


def read_trust(path: Path) -> Mapping[str, TrustedKey]:
    """Key id to key, of a trust file, a public key as PEM, or every `*.json` of a folder.

    A public key by itself has no limit of time. Raises `InputError` where nothing is trusted, or a
    key is named twice.
    """
    try:
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check the path of the trust file"
        ) from error
    if not files:
        raise InputError(f"{path}: the folder holds no .json file; {_NEXT_STEP}")
    found: dict[str, TrustedKey] = {}
    for file in files:
        for trusted in _read(file):
            if trusted.key.key_id in found:
                raise InputError(
                    f"{file}: the key {trusted.key.key_id} is trusted twice; keep one entry"
                )
            found[trusted.key.key_id] = trusted
    return found


def trust_text(keys: Sequence[TrustedKey]) -> str:
    """A trust file, read back by `read_trust`."""
    entries = [
        _Key(
            key_id=trusted.key.key_id,
            public_key=trusted.key.pem().decode("ascii"),
            valid_from=_text(trusted.valid_from),
            valid_until=_text(trusted.valid_until),
        )
        for trusted in keys
    ]
    return json.dumps(_TrustFile(keys=entries).model_dump(), indent=2) + "\n"


def _read(path: Path) -> list[TrustedKey]:
    content = read_bytes(path, _MOST_BYTES, "trust file")
    if content.startswith(b"-----BEGIN"):
        return [TrustedKey(PublicKey.from_pem(content))]
    return [_trusted(path, item) for item in parse(_TrustFile, content, f"trust file {path}").keys]


def _trusted(path: Path, item: _Key) -> TrustedKey:
    key = PublicKey.from_pem(item.public_key.encode("utf-8", "replace"))
    if key.key_id != item.key_id:
        raise InputError(f"{path}: the key {item.key_id} is another one by its bytes; {_NEXT_STEP}")
    return TrustedKey(key, _time(item.valid_from), _time(item.valid_until))


def _text(time: datetime | None) -> str | None:
    return None if time is None else time_text(time)


def _time(text: str | None) -> datetime | None:
    return None if text is None else time_of(text)
