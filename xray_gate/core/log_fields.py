"""What a log line is about: fields bound for a while, and read by whoever writes the line.

Nothing here sets up logging. A thread starts without the fields of the one that started it: run it
in `contextvars.copy_context()`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, str | int] = MappingProxyType({})
_bound: ContextVar[Mapping[str, str | int]] = ContextVar("xray_gate_log_fields", default=_NOTHING)


@contextmanager
def log_fields(**fields: str | int) -> Iterator[None]:
    """Bind `fields`, beside those that are bound already, until the context ends."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_log_fields() -> Mapping[str, str | int]:
    """The fields that are bound in this thread now."""
    return _bound.get()
