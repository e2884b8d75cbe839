"""Policies that were in force once, out of the sets that servers wrote down."""

import json

from sqlalchemy import Connection, select

from xray_gate.core.errors import PolicyError
from xray_gate.ledger.tables import policy_sets
from xray_gate.policy.files import Policy


def policy_of(connection: Connection, name: str, digest: str) -> Policy | None:
    """The policy with this name and digest; None where no server ever wrote it down.

    None, too, where it cannot be read any more by this release. Sets are read one by one, the
    newest first, since each may hold large calibrations.
    """
    ids = connection.execute(select(policy_sets.c.id).order_by(policy_sets.c.id.desc())).scalars()
    for number in list(ids):
        text = connection.execute(
            select(policy_sets.c.policies).where(policy_sets.c.id == number)
        ).scalar_one()
        for item in json.loads(text):
            if item.get("document", {}).get("name") != name:
                continue
            try:
                found = Policy.from_json(item)
            except PolicyError:
                continue
            if found.digest == digest:
                return found
    return None
