"""What a policy asks of a scan as a whole, before any detector is judged."""

from xray_gate.core.evidence import Evidence
from xray_gate.policy.files import Policy


def unmet_condition(policy: Policy, evidence: Evidence) -> str | None:
    """Why nothing that the scan measured can admit the model under `policy`, or None."""
    return _unaccepted(policy, evidence) or _other_probes(policy, evidence)


def _unaccepted(policy: Policy, evidence: Evidence) -> str | None:
    accepted = policy.document.formats
    if accepted is None or evidence.model.format in accepted:
        return None
    return (
        f"the model is {evidence.model.format}, and the policy {policy.name} accepts "
        f"{', '.join(accepted)} only; register it in one of these formats"
    )


def _other_probes(policy: Policy, evidence: Evidence) -> str | None:
    wanted = policy.probes_digest
    if wanted is None or evidence.probes is None or evidence.probes.sha256 == wanted:
        return None
    return (
        f"the scan asked other probes ({evidence.probes.sha256}) than the policy {policy.name} "
        f"names ({wanted}); register the version again to have it scanned with these"
    )
