"""What a policy asks of a scan as a whole, before any detector is judged."""

from xray_gate.core.evidence import Evidence
from xray_gate.policy.files import Policy

UNCHECKED_CODE = "unchecked_code"
"""Where the environment of evidence says what another policy would not have opened, and why."""


def unmet_condition(policy: Policy, evidence: Evidence) -> str | None:
    """Why nothing that the scan measured can admit the model under `policy`, or None."""
    return (
        unchecked_code(policy, evidence)
        or _unaccepted(policy, evidence)
        or _other_probes(policy, evidence)
    )


def unchecked_code(policy: Policy, evidence: Evidence) -> str | None:
    """What `policy` would not have opened, and the policy of the scan did; None where nothing is.

    Code of the model's own may have given the answers.
    """
    if policy.document.unsafe_unchecked_code or UNCHECKED_CODE not in evidence.environment:
        return None
    return (
        f"it was scanned under a policy with unsafe_unchecked_code, which {policy.name} has not: "
        f"{evidence.environment[UNCHECKED_CODE]}"
    )


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
