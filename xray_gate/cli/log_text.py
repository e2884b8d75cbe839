"""A line of the audit log as people read it."""

from collections.abc import Mapping
from typing import Any

from xray_gate.core.printable import printable


def line_text(line: Mapping[str, Any]) -> str:
    """One line of text, whatever stands in the log: names and reasons are foreign."""
    parts = [
        f"{line['seq']}",
        f"{str(line['at'])[:19]}Z",
        f"{line['event']}",
        _what(line),
        f"by {_who(line)}",
        *([f"policy {line['policy']}"] if line["policy"] else []),
        *_details(line["details"]),
    ]
    return "  ".join(printable(part) for part in parts if part)


def _what(line: Mapping[str, Any]) -> str:
    if line["name"] is None:
        return ""
    workspace, version = line["workspace"], line["version"]
    place = "" if workspace in (None, "default") else f"{workspace}:"
    return f"{place}{line['name']}" + ("" if version is None else f"/{version}")


def _who(line: Mapping[str, Any]) -> str:
    return f"{line['via']}" if line["actor"] is None else f"{line['actor']} ({line['via']})"


def _details(details: Any) -> list[str]:
    if not isinstance(details, Mapping):
        return [str(details)]
    return [
        f"{key}: {'; '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in details.items()
        if value not in (None, [])
    ]
