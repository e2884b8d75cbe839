"""What a policy lets through without a verdict, told to the database's triggers.

The triggers know no policies. A row here is written before the alias or the stage that it is for,
and deleted after it, in one transaction: no other session ever sees it, and none is left behind for
a policy of tomorrow.
"""

from sqlalchemy import Connection, delete, insert

from xray_gate.ledger.tables import free_promotions
from xray_gate.scan.work import Promotion, VersionKey

_INSERT = insert(free_promotions)
_DELETE = delete(free_promotions)


class FreePromotions:
    """Rows that live as long as one flush."""

    def allow_for_now(self, connection: Connection, key: VersionKey, promotion: Promotion) -> None:
        """Let the triggers pass this alias or stage until `end_allowances`."""
        connection.execute(
            _INSERT,
            {
                "workspace": key.workspace,
                "name": key.name,
                "version": key.version,
                "kind": promotion.kind,
                "value": promotion.value,
            },
        )

    def end_allowances(self, connection: Connection) -> None:
        """Nothing is let through any more."""
        connection.execute(_DELETE)
