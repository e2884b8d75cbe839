"""The isolations that tests run in, where they are to be had."""

import pytest

from xray_gate.backends.sandbox.choice import why_not
from xray_gate.core.isolation import Isolation


def needed(isolation: Isolation) -> Isolation:
    """Skip the test where `isolation` does not hold, and say why."""
    if reason := why_not(isolation):
        pytest.skip(f"{isolation}: {reason}")
    return isolation
