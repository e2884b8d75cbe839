"""References to models: a path, or one of MLflow's URIs."""

import re
from dataclasses import dataclass
from pathlib import Path

from xray_gate.core.errors import InputError

_URI = re.compile(r"^(?P<scheme>[a-z][a-z0-9+.-]+):/")


@dataclass(frozen=True)
class ModelRef:
    """Where a model is: exactly one of `path` and `uri` is set."""

    text: str
    path: Path | None = None
    uri: str | None = None


def is_uri(text: str) -> bool:
    """Whether `text` begins with a scheme, as `runs:/...` does, and so is no path."""
    return _URI.match(text) is not None


def parse_model_ref(text: str) -> ModelRef:
    """Read MODEL as the command line takes it: a file, a folder, `models:/...` or `runs:/...`."""
    match = _URI.match(text)
    if match is None:
        return ModelRef(text, path=Path(text))
    if match["scheme"] not in ("models", "runs"):
        raise InputError(
            f"{text}: the scheme {match['scheme']!r} is not one that can be scanned; "
            "give a file, an MLflow model folder, models:/NAME/VERSION or runs:/RUN_ID/PATH"
        )
    return ModelRef(text, uri=text)
