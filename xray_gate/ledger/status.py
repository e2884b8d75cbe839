"""A registration and its newest verdict, as a person asks for them."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from xray_gate.core.printable import time_text
from xray_gate.ledger.ledger import Ledger
from xray_gate.scan.work import Registration


def status_row(
    ledger: Ledger, connection: Connection, registration: Registration
) -> dict[str, Any]:
    """State, newest verdict, reasons and report of a registration, as JSON values."""
    verdicts = ledger.verdicts(connection, registration)
    newest = verdicts[0] if verdicts else None
    return {
        "workspace": registration.key.workspace,
        "name": registration.key.name,
        "version": registration.key.version,
        "state": registration.state.value,
        "attempts": registration.attempts,
        "failure": registration.failure,
        "retry_at": None if registration.retry_at is None else time_text(registration.retry_at),
        "verdict": newest and newest.verdict,
        "reasons": newest.reasons if newest else [],
        "policy": newest and newest.policy_name,
        "policy_digest": newest and newest.policy_digest,
        "digest": newest and newest.digest,
        "scan_id": newest and newest.scan_id,
        "run_id": newest and newest.run_id,
        "exceptions": [asdict(excuse) for excuse in newest.excused_by] if newest else [],
        "break_glass": [one.to_json() for one in ledger.break_glasses(connection, registration)],
    }
