"""One piece of content to be looked at: a file, or what an archive holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from xray_gate.static_checks.looking import shown


@dataclass(frozen=True)
class Item:
    """`file` can be sought in and has `size` bytes.

    `name` is the path in its folder or archive, `place` what messages call it. `depth`: how many
    archives it lies in. `raw`: whether bytes of no known kind are as it should be, since a format
    that was recognised keeps its weights so. `siblings`: the folder's files by their paths there,
    with their sizes.
    """

    place: str
    name: str
    file: BinaryIO
    size: int
    depth: int = 0
    raw: bool = False
    siblings: Mapping[str, int] = field(default_factory=dict)

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on."""
        self.file.seek(max(offset, 0))
        return self.file.read(count)

    def within(self, name: str, file: BinaryIO, size: int, *, raw: bool) -> "Item":
        """Something that lies in this one."""
        return Item(f"{self.place} > {shown(name)}", name, file, size, self.depth + 1, raw)

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot on, in lower case; empty without one."""
        last = self.name.rpartition("/")[2]
        dot = last.rfind(".")
        return last[dot:].lower() if dot >= 0 else ""
