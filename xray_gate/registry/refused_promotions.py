"""Lines of promotions that were refused: in transactions of their own, and not without bound."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xray_gate.core.audit_line import LogNote
from xray_gate.registry.ports import LogPort
from xray_gate.registry.transactions import transaction

_logger = logging.getLogger(__name__)
AT_ONCE = 100
"""Lines of refusals that a server's process writes at once; then one a second."""
_PER_SECOND = 1.0


class RefusedPromotions:
    """Writes a refusal's line after its transaction was rolled back.

    Whoever may ask for a promotion may ask again and again, so lines have a rate. What goes beyond
    is counted, and the next line that is written tells how many were left out.
    """

    def __init__(
        self, make_session: Callable[..., Any], ledger: LogPort, clock: Callable[[], float]
    ) -> None:
        self._make_session = make_session
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        self._left, self._since, self._left_out = float(AT_ONCE), clock(), 0

    def write(self, note: LogNote) -> None:
        """Append the line; a failure is logged, and the refusal stands in any case."""
        left_out = self._admitted()
        if left_out is None:
            return
        try:
            told = {**note.details, "left_out": left_out} if left_out else note.details
            with transaction(self._make_session) as connection:
                self._ledger.append_log(connection, [replace(note, details=told)], self._clock())
        except Exception:
            _logger.exception("a promotion was refused, and the audit log cannot be written")
            with self._lock:
                self._left_out += left_out + 1

    def _admitted(self) -> int | None:
        """How many were left out before this one; None where this one is left out, too."""
        with self._lock:
            now = self._clock()
            gained = max(0.0, now - self._since) * _PER_SECOND
            self._left, self._since = min(float(AT_ONCE), self._left + gained), now
            if self._left < 1.0:
                if self._left_out == 0:
                    _logger.warning("more promotions are refused than the audit log takes")
                self._left_out += 1
                return None
            self._left -= 1.0
            left_out, self._left_out = self._left_out, 0
            return left_out
