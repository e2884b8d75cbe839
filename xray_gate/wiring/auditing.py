"""The audit log of a registry."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from xray_gate.core.audit_chain import Break, Checked, Damage, Head, check_chain
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.log_reading import LogFilter, log_lines
from xray_gate.wiring.stores import existing_store


@contextmanager
def read_log(registry_uri: str, wanted: LogFilter) -> Iterator[Iterator[dict[str, Any]]]:
    """The lines of the log that are wanted, oldest first, for the time of the context."""
    make_session = existing_store(registry_uri).ManagedSessionMaker
    with make_session() as session, closing(log_lines(session.connection(), wanted)) as lines:
        yield lines


def read_log_head(registry_uri: str) -> Head | None:
    """The newest line's number and hash, as the database has them."""
    with existing_store(registry_uri).ManagedSessionMaker() as session:
        return Ledger().log_head(session.connection())


def check_log(registry_uri: str, kept: Sequence[Head]) -> Checked:
    """Follow the whole log; `kept` are heads that were noted down elsewhere."""
    make_session, ledger = existing_store(registry_uri).ManagedSessionMaker, Ledger()
    # Lines may be appended meanwhile: what was the newest before must be among them, and none of
    # them may be newer than the newest afterwards.
    with make_session() as session:
        before = ledger.log_head(session.connection())
    heads = list(kept) if before is None else [*kept, before]
    with make_session() as session, closing(log_lines(session.connection())) as lines:
        checked = check_chain(lines, heads)
    if checked.broken is not None:
        return checked
    with make_session() as session:
        after = ledger.log_head(session.connection())
    return Checked(checked.lines, checked.head, _unwitnessed(checked, after))


def _unwitnessed(checked: Checked, head: Head | None) -> Break | None:
    """What is wrong with the row of the newest line, where the lines themselves are whole."""
    if head is None:
        text = "the row that names the newest line is gone, so lines may be, too"
        return Break(checked.lines, Damage.REMOVED, text)
    if checked.lines > head.seq:
        first = head.seq + 1
        return Break(first, Damage.INSERTED, f"line {first} was appended past the gate")
    return None
