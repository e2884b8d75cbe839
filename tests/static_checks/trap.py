"""A canary and a listener, to see whether code out of a file has run."""

import socket
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trap:
    """`source` is Python that writes the canary and then calls the listener."""

    canary: Path
    listener: socket.socket

    @property
    def source(self) -> str:
        port = self.listener.getsockname()[1]
        return textwrap.dedent(f"""\
            open({str(self.canary)!r}, "w").close()
            import socket
            socket.create_connection(("127.0.0.1", {port}), timeout=5).close()
        """)

    def sprung(self) -> list[str]:
        """What shows that the source has run; empty where nothing does."""
        found = ["canary"] if self.canary.exists() else []
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return found
        return [*found, "listener"]


@contextmanager
def set_trap(folder: Path) -> Iterator[Trap]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Trap(folder / "canary", listener)
