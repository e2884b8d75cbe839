"""The gate's own tags: written by the gate, where people look, and by nobody else."""

from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelTag,
)

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision
from xray_gate.policy.files import Policy
from xray_gate.registry.refusal import refusal
from xray_gate.registry.rows import RESERVED_TAGS, is_reserved_tag
from xray_gate.registry.version_status import excuse_tags


def mirror_on(row: SqlModelVersion, decision: Decision, policy: Policy, evidence: Evidence) -> None:
    """Show on a version that is being made what was decided about it."""
    # Written by the gate itself, after the client's tags were looked at.
    tags = {
        f"{RESERVED_TAGS}verdict": decision.verdict,
        f"{RESERVED_TAGS}policy": policy.name,
        f"{RESERVED_TAGS}digest": evidence.model.digest,
        **excuse_tags(decision),
    }
    for key, value in tags.items():
        row.model_version_tags.append(
            SqlModelVersionTag(
                workspace=row.workspace,
                name=row.name,
                version=row.version,
                key=key,
                value=str(value),
            )
        )


def check_tag(row: SqlModelVersionTag | SqlRegisteredModelTag) -> None:
    """Refuse a client's tag that begins as the gate's own do."""
    if is_reserved_tag(row.key):
        raise refusal(
            f"tags that begin with {RESERVED_TAGS!r} are written by the gate only; "
            f"use another key than {row.key!r}"
        )
