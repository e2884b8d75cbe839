"""A break-glass as people read it."""

from typing import Any

from xray_gate.cli.foreign import one_line
from xray_gate.scan.work import VersionKey


def break_glass_lines(one: dict[str, Any]) -> list[str]:
    """For a terminal; the first line names it by its number."""
    key = VersionKey(one["workspace"], one["name"], one["version"])
    use = f"usable until {one['until']}, not used"
    if one["used_at"] is not None:
        use = f"used {one['used_at']}"
    review = f"none yet; next: xray-gate break-glass --review {one['id']} --by NAME --note TEXT"
    if one["review"] is not None:
        review = "by {by} {at}: {note}".format(**one["review"])
    ticket = f" (ticket {one['ticket']})" if one["ticket"] else ""
    return [
        one_line(text)
        for text in (
            f"break-glass {one['id']}: {key}, {one['kind']} {one['value']}",
            f"  by        {one['by']} {one['opened_at']}, {use}",
            f"  why       {one['justification']}{ticket}",
            f"  bytes     {one['digest']}",
            f"  review    {review}",
        )
    ]
