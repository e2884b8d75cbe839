"""How an error is told to those who meet it."""

from xray_gate.core.errors import XrayGateError


def reason_of(error: Exception) -> str:
    """Its message, which says what to do next; where nobody meant to raise it, what to report."""
    if isinstance(error, XrayGateError):
        return str(error)
    return f"a bug of ours: {type(error).__name__}: {error}; please report it with the runner's log"
