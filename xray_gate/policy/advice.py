"""What would make a sound policy better: no finding, since it may be wanted as it is."""

from collections.abc import Iterator

from xray_gate.policy.files import Policy


def advice(policy: Policy) -> list[str]:
    """One sentence for each, with what to write instead; none where there is nothing to say."""
    return [*_formats(policy), *_probes(policy)]


def _formats(policy: Policy) -> Iterator[str]:
    accepted = policy.document.formats
    if accepted is None or set(accepted) != {"onnx"}:
        yield (
            "models in other formats than ONNX run code of whoever made them when they are opened; "
            "where everybody can export ONNX, write `formats: [onnx]`"
        )


def _probes(policy: Policy) -> Iterator[str]:
    if policy.probes is not None and policy.probes_digest is None:
        yield (
            "the probes are whatever lies at their path when a version is scanned; write them as "
            "`uri` and `digest` (`probes.sha256` in a report), and other samples pass nothing"
        )
