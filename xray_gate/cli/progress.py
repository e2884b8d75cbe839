"""Progress on stderr, only where somebody watches."""

import sys


class ProgressLine:
    """One line that is written over; nothing at all when stderr is no terminal."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._drawn = False

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `name` are done."""
        if not self._on:
            return
        filled = 30 * done // max(total, 1)
        bar = "█" * filled + "·" * (30 - filled)
        sys.stderr.write(f"\r{name} {bar} {done}/{total}")
        sys.stderr.flush()
        self._drawn = True

    def close(self) -> None:
        """Remove the line."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
