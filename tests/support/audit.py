"""The audit log as tests look at it."""

from contextlib import closing
from typing import Any

from sqlalchemy import Connection, text

from tests.support.gate import Gate
from xray_gate.core.audit_chain import check_chain
from xray_gate.ledger.log_reading import log_lines

SET_UP = ("log_began", "policy_changed")


def audit_lines(gate: Gate) -> list[dict[str, Any]]:
    """All lines, oldest first; the chain must be whole, up to the row of the newest one."""
    with gate.connection() as connection:
        assert chain_problem(connection) is None
        return list(log_lines(connection))


def told(gate: Gate) -> list[str]:
    """Events, versions and who caused them, without those of the set-up."""
    return [
        f"{line['event']} {line['name']}/{line['version']} {line['actor']} ({line['via']})"
        for line in audit_lines(gate)
        if line["event"] not in SET_UP
    ]


def chain_problem(connection: Connection) -> str | None:
    """What is wrong with the chain, in words; None where nothing is."""
    with closing(log_lines(connection)) as lines:
        found = check_chain(lines)
    head = connection.execute(text("SELECT seq, hash FROM xray_gate_log_head")).all()
    if found.broken is not None:
        return f"line {found.broken.seq}: {found.broken.damage}"
    if [(found.head.seq, found.head.hash)] != [tuple(row) for row in head] if found.head else True:
        return f"the newest line is {found.head}, its row says {head}"
    return None
