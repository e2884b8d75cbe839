"""The statistics of Model X-ray that thresholds can be set for.

One more takes one line in `STATISTICS`: it is then calibrated, judged and logged like the others.
Rules do not know detectors, so the names stand here once more; a test compares the two.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from xray_gate.core.evidence import DetectorEvidence

Side = Literal["below", "above", "both"]

# As `statistic.pixel range`. Backdoored models have a low entropy and small areas; a large share of
# one label is suspicious, and so are horizons whose opposite points agree.
STATISTICS: Mapping[str, Side] = {
    "renyi_entropy.unclipped": "below",
    "renyi_entropy.valid": "below",
    "ats.unclipped": "below",
    "ats.valid": "below",
    "largest_share.unclipped": "above",
    "largest_share.valid": "above",
    "horizon_agreement.valid": "above",
}


def _known(statistic: str) -> str:
    if statistic not in STATISTICS:
        raise ValueError(f"is no statistic; write one of {', '.join(STATISTICS)}")
    return statistic


Statistic = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(STATISTICS)})
]


def names_of_statistics() -> list[str]:
    """Without the pixel ranges, each once."""
    return list(dict.fromkeys(statistic.partition(".")[0] for statistic in STATISTICS))


def xray_scores(detector: DetectorEvidence) -> dict[str, Any]:
    """Statistic to what a run of model_xray measured; those that it did not measure are left out.

    The values are as the evidence holds them, which may have been read back from a database.
    """
    statistics: Any = detector.statistics
    found: dict[str, Any] = {}
    for statistic in STATISTICS:
        name, _, pixel_range = statistic.partition(".")
        by_range = statistics.get(name) if isinstance(statistics, Mapping) else None
        if isinstance(by_range, Mapping) and pixel_range in by_range:
            found[statistic] = by_range[pixel_range]
    return found
