"""The ledger as a whole, over a connection whose transaction the caller owns.

No method commits: a registration commits with MLflow's own insert, a verdict with the status that
it causes, a promotion with the check that allows it.
"""

from xray_gate.ledger.audit_log import AuditLog
from xray_gate.ledger.break_glass import BreakGlasses
from xray_gate.ledger.free_promotions import FreePromotions
from xray_gate.ledger.notices import Notices
from xray_gate.ledger.records import Records
from xray_gate.ledger.registrations import Registrations
from xray_gate.ledger.revocations import Revocations


class Ledger(Registrations, Records, Revocations, Notices, FreePromotions, BreakGlasses, AuditLog):
    """The ledger's operations. Holds no state of its own."""
