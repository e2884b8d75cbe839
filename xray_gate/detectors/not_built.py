"""Detectors that a report names although this release does not hold them."""

from dataclasses import dataclass

from xray_gate.core.access import Access
from xray_gate.core.evidence import DetectorEvidence, RunState


@dataclass(frozen=True)
class NotBuilt:
    """A detector that cannot run yet, and what it would need to see of a model."""

    name: str
    access: Access

    def skipped(self) -> DetectorEvidence:
        """Evidence that it did not run: never counted as passed."""
        return DetectorEvidence(
            self.name,
            self.access,
            RunState.SKIPPED,
            reason=(
                f"not part of this release; a policy must not rely on {self.name}, use "
                "trigger_sweep or model_xray"
            ),
        )


DTINSPECTOR = NotBuilt("dtinspector", Access.GRADIENT)
