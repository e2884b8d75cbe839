"""What servers and runners tell each other: the policies in force, and who is alive."""

import json

from sqlalchemy import Connection, func, insert, select, update

from xray_gate.core.errors import PolicyError
from xray_gate.ledger.tables import policy_sets, runners
from xray_gate.policy.files import PolicySet


class Notices:
    """The newest word counts."""

    def remember_policies(self, connection: Connection, policies: PolicySet, now: float) -> bool:
        """Write down the server's policies, once for each change; whether they had changed."""
        newest = connection.execute(
            select(policy_sets.c.digest).order_by(policy_sets.c.id.desc()).limit(1)
        ).scalar()
        if newest == policies.digest:
            return False
        connection.execute(
            insert(policy_sets).values(
                digest=policies.digest,
                policies=json.dumps(policies.to_json()),
                created_at=now,
            )
        )
        return True

    def server_policies(self, connection: Connection) -> PolicySet:
        """The policies that the server wrote down last; `PolicyError` when it never did."""
        text = connection.execute(
            select(policy_sets.c.policies).order_by(policy_sets.c.id.desc()).limit(1)
        ).scalar()
        if text is None:
            raise PolicyError(
                "no MLflow server with the gate has used this registry yet; start one with "
                "XRAY_GATE_POLICY set"
            )
        return PolicySet.from_json(json.loads(text))

    def runner_seen(self, connection: Connection, owner: str, now: float) -> None:
        """Note that a runner is alive."""
        changed = connection.execute(
            update(runners).where(runners.c.owner == owner).values(last_seen=now)
        )
        if changed.rowcount == 0:
            connection.execute(insert(runners).values(owner=owner, last_seen=now))

    def last_runner(self, connection: Connection) -> float | None:
        """When a runner was last seen, or None for never."""
        return connection.execute(select(func.max(runners.c.last_seen))).scalar()
