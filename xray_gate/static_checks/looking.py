"""What one look at a model may use up, and how it refuses."""

import time

from xray_gate.core.errors import ScanError
from xray_gate.core.printable import printable
from xray_gate.scan.ports import FileRules

_SECONDS = 600.0
_ENTRIES = 50_000
_OPCODES = 1_000_000
_FIELDS = 1_000_000
# The longest foreign text in a message.
_TEXT_LIMIT = 120


def shown(text: str) -> str:
    """Foreign text in one line of at most 120 characters, to be quoted in a message."""
    kept = printable(text[: 4 * _TEXT_LIMIT])
    return kept if len(kept) <= _TEXT_LIMIT else f"{kept[:_TEXT_LIMIT]}..."


def refusal(place: str, what: str, step: str) -> ScanError:
    """The error for a file that must not be loaded: where, what, and what to do."""
    return ScanError(f"{place}: {what}; {step}")


class Looking:
    """The rules of one look at a model and what is left of its bounds."""

    def __init__(self, rules: FileRules) -> None:
        self.rules = rules
        self._until = time.monotonic() + _SECONDS
        self._bytes = rules.size_bytes
        self._left = {"entries": _ENTRIES, "opcodes": _OPCODES, "fields": _FIELDS}

    def unchecked(self, place: str, what: str, step: str) -> None:
        """Refuse what cannot be checked, unless the policy allows code that nobody checked."""
        if not self.rules.unchecked_code:
            raise refusal(
                place,
                what,
                f"{step}, or set `unsafe_unchecked_code: true` in the policy if you trust "
                "everybody who registers models",
            )

    def spend_bytes(self, place: str, count: int) -> None:
        """Count bytes that are read or unpacked."""
        self._in_time(place)
        self._bytes -= count
        if self._bytes < 0:
            raise refusal(
                place,
                f"the model's files hold more than {self.rules.size_bytes / 2**20:,.0f} MiB, "
                "unpacked",
                "make the model smaller, or raise limits.files_mb in the policy",
            )

    def spend_entries(self, place: str, count: int) -> None:
        """Count entries of archives."""
        self._spend(place, "entries", count, "entries in archives")

    def spend_opcodes(self, place: str, count: int) -> None:
        """Count opcodes of pickles."""
        self._spend(place, "opcodes", count, "opcodes in pickles")

    def spend_fields(self, place: str, count: int) -> None:
        """Count fields of protocol buffers."""
        self._spend(place, "fields", count, "fields in ONNX files")

    def _spend(self, place: str, what: str, count: int, words: str) -> None:
        self._in_time(place)
        self._left[what] -= count
        if self._left[what] < 0:
            raise refusal(
                place,
                f"there are more {words} than can be looked through in reasonable time",
                "export the model to ONNX with its weights as tensors",
            )

    def _in_time(self, place: str) -> None:
        if time.monotonic() > self._until:
            raise refusal(
                place,
                f"the files could not be looked through within {_SECONDS:.0f} seconds",
                "make the model smaller, or try again when the machine has less to do",
            )
