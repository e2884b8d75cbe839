"""Exit codes; they differ by meaning, and other programs rely on them."""

from enum import IntEnum

from xray_gate.core.verdict import Verdict


class ExitCode(IntEnum):
    """How a command ends."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    UNDECIDED = 3
    BUG = 4


BY_VERDICT = {
    Verdict.PASSED: ExitCode.PASSED,
    Verdict.FAILED: ExitCode.FAILED,
    Verdict.UNDECIDED: ExitCode.UNDECIDED,
}
