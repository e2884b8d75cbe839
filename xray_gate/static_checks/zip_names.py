"""Names of entries in archives."""

import stat

from xray_gate.static_checks.folder import require_distinct
from xray_gate.static_checks.looking import refusal, shown

_UTF_8 = 0x800
_LONGEST = 1000
_STEP = "save the model again"


def check_name(place: str, raw: bytes, flags: int, mode: int) -> str:
    """The name as text; refuses those that leave the folder, and entries that are no files."""
    try:
        name = raw.decode("utf-8" if flags & _UTF_8 else "ascii")
    except UnicodeDecodeError as error:
        raise refusal(place, "holds a name that is no text", _STEP) from error
    parts = name.removesuffix("/").split("/")
    if (
        not 0 < len(name) <= _LONGEST
        or any(part in ("", ".", "..") for part in parts)
        or any(character in name for character in "\\:\0")
        or not name.isprintable()
    ):
        raise refusal(
            place, f"holds the name {shown(repr(name))}, which could lead out of the folder", _STEP
        )
    kind = stat.S_IFMT(mode)
    if kind and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise refusal(f"{place} > {shown(name)}", "is a link or a special file", _STEP)
    return name


def check_names(place: str, names: list[str]) -> None:
    """Refuse names that stand twice, and a file that is a folder as well."""
    require_distinct(place, [name.removesuffix("/") for name in names])
    files = {name.casefold() for name in names if not name.endswith("/")}
    for name in names:
        parts = name.casefold().removesuffix("/").split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in files:
                raise refusal(place, f"holds {shown(name)} below a file", _STEP)
