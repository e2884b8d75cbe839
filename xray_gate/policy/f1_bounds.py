"""What Eq. 6 makes of a family's references, and how many of the clean ones it refuses."""

from collections.abc import Mapping, Sequence

from xray_gate.policy.calibration import Reference
from xray_gate.policy.f1_threshold import OneSide, f1_threshold, share_interval
from xray_gate.policy.xray_thresholds import CalibratedBounds


def f1_bounds(rule: CalibratedBounds, references: Sequence[Reference]) -> dict[str, float]:
    """Statistic to its threshold; clean and backdoored references must be there, all scored."""
    return {
        statistic: f1_threshold(
            [reference.scores[statistic] for reference in references if reference.group is None],
            _by_group(references, statistic),
            f1_side(rule, statistic),
        )
        for statistic in rule.statistics
    }


def f1_side(rule: CalibratedBounds, statistic: str) -> OneSide:
    """The side that is judged; a policy by F1 cannot ask for both."""
    return "above" if rule.side(statistic) == "above" else "below"


def is_beyond(score: float, bound: float, side: OneSide) -> bool:
    """Eq. 5 of the paper: infected if the score is at most gamma; the bound itself counts."""
    return score <= bound if side == "below" else score >= bound


def refused_clean(
    rule: CalibratedBounds, bounds: Mapping[str, float], references: Sequence[Reference]
) -> str:
    """How many of the clean references lie beyond any of `bounds`, with the 95 % interval."""
    clean = [reference for reference in references if reference.group is None]
    refused = sum(
        any(
            is_beyond(reference.scores[statistic], bound, f1_side(rule, statistic))
            for statistic, bound in bounds.items()
        )
        for reference in clean
    )
    low, high = share_interval(refused, len(clean))
    return (
        f"{refused} of the {len(clean)} clean references refused "
        f"({100 * refused / len(clean):.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    )


def group_sizes(references: Sequence[Reference]) -> dict[str, int]:
    """Group to how many backdoored references it holds."""
    groups = [reference.group for reference in references if reference.group is not None]
    return {group: groups.count(group) for group in dict.fromkeys(groups)}


def _by_group(references: Sequence[Reference], statistic: str) -> dict[str, list[float]]:
    return {
        group: [item.scores[statistic] for item in references if item.group == group]
        for group in group_sizes(references)
    }
