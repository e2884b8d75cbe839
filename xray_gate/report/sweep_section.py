"""The numbers of a trigger sweep, as the page shows them.

Everything is read from the statistics in the report, which may come from another version: what
is missing or of another shape is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xray_gate.report.foreign import (
    as_count,
    as_label,
    as_list,
    as_mapping,
    as_number,
    as_share,
    as_text,
)
from xray_gate.report.json_v1 import DetectorV1
from xray_gate.report.label_bars import Share, label_bars
from xray_gate.report.measures import number
from xray_gate.report.told import UNKNOWN, told_count, told_labels, told_share
from xray_gate.report.visible import label_name, visible

SWEEP = "trigger_sweep"
"""The detector's name."""

_MOST_ROWS = 20
_SMALLEST_P = 1e-6

Names = Sequence[str] | None


@dataclass(frozen=True)
class HeldOutTest:
    """One trigger of the final test; `beyond` where its share is above its allowance.

    An allowance of 1 is never exceeded: triggers that strong move any model's labels. `champion`
    is the share that moves in the version it was compared with, if there was one.
    """

    text: str
    reading: str
    moved: str
    share: str
    allowance: str
    p_value: str
    beyond: bool
    champion: str | None = None


@dataclass(frozen=True)
class LimitOfKind:
    """How often implants of one kind were found, by dose."""

    text: str
    smallest: str
    rates: list[tuple[str, str]]


@dataclass(frozen=True)
class DetectionLimit:
    """What the sweep finds in `share` of `trials` trials, and what it does not.

    `chance` is the share of the candidates like an implant that it answers to; like `level`, it is
    empty where it is not known.
    """

    share: str
    trials: str
    level: str
    chance: str
    found: list[str]
    missed: list[str]
    kinds: list[LimitOfKind]


@dataclass(frozen=True)
class SweepSection:
    """All of them; `facts` are pairs of a term and its value."""

    passed: bool
    facts: list[tuple[str, str]]
    tested: list[HeldOutTest]
    bars: list[Share]
    limit: DetectionLimit | None
    sources_not_tested: str
    families_not_judged: str

    @property
    def compared(self) -> bool:
        """Whether an admitted version was asked about the same triggers."""
        return any(row.champion is not None for row in self.tested)


def sweep_section(detectors: Sequence[DetectorV1], class_names: Names) -> SweepSection | None:
    """The section of the first completed trigger sweep; None where there is none."""
    for detector in detectors:
        statistics = detector.statistics
        if detector.name == SWEEP and statistics:
            return SweepSection(
                passed=detector.outcome == "passed",
                facts=_facts(detector),
                tested=_tested(statistics, class_names),
                bars=label_bars(statistics.get("flip_rate_by_label"), class_names, together=max),
                limit=_limit(statistics.get("detection_limit")),
                sources_not_tested=told_labels(statistics.get("sources_not_tested"), class_names),
                families_not_judged=_texts(statistics.get("families_not_judged")),
            )
    return None


def _facts(detector: DetectorV1) -> list[tuple[str, str]]:
    statistics = detector.statistics
    images = as_mapping(statistics.get("images"))
    facts = [
        ("best flip rate to one label", told_share(statistics.get("flip_rate"))),
        ("best flip rate to any other label", told_share(statistics.get("total_flip_rate"))),
        ("candidates tried", told_count(statistics.get("candidates"))),
        ("images of the search", told_count(images.get("swept"))),
        ("held-out images of the test", told_count(images.get("held_out"))),
        ("queries", f"{detector.queries:,}"),
        ("queries to the admitted version", told_count(statistics.get("champion_queries") or None)),
        ("time", f"{detector.seconds:.1f} s"),
    ]
    return [(term, value) for term, value in facts if value != UNKNOWN]


def _tested(statistics: Mapping[str, Any], class_names: Names) -> list[HeldOutTest]:
    rows = [as_mapping(row) for row in as_list(statistics.get("tested"))[:_MOST_ROWS]]
    return [_row(row, class_names) for row in rows if row]


def _row(row: Mapping[str, Any], class_names: Names) -> HeldOutTest:
    share, allowance = as_share(row.get("share")), as_share(row.get("allowance"))
    moved, asked = as_count(row.get("moved")), as_count(row.get("asked"))
    return HeldOutTest(
        text=as_text(row.get("text")) or UNKNOWN,
        reading=_reading(as_mapping(row.get("reading")), class_names),
        moved=UNKNOWN if moved is None or asked is None else f"{moved:,} of {asked:,}",
        share=told_share(share),
        allowance="not judged" if allowance == 1 else told_share(allowance),
        p_value=_p_value(row.get("p_value")),
        beyond=share is not None and allowance is not None and share > allowance,
        champion=told_share(row["champion_share"]) if "champion_share" in row else None,
    )


def _reading(reading: Mapping[str, Any], class_names: Names) -> str:
    kind = as_text(reading.get("kind")) or UNKNOWN
    label, source = as_label(reading.get("label")), as_label(reading.get("source"))
    to = "any other label" if label is None else label_name(label, class_names)
    start = "all images" if source is None else f"images of {label_name(source, class_names)}"
    words = {"all-to-one", "all-to-all", "source-specific"}
    return f"{start} to {to} ({kind})" if kind in words else kind


def _limit(value: object) -> DetectionLimit | None:
    said = as_mapping(value)
    kinds = [as_mapping(kind) for kind in as_list(said.get("kinds"))[:_MOST_ROWS]]
    kinds = [kind for kind in kinds if kind]
    if not kinds:
        return None
    found = [kind for kind in kinds if as_number(kind.get("smallest")) is not None]
    missed = [kind for kind in kinds if as_number(kind.get("smallest")) is None]
    return DetectionLimit(
        share=told_share(said.get("share_of_trials")),
        trials=told_count(said.get("trials")),
        level="" if as_share(said.get("level")) is None else number(float(said["level"])),
        chance="" if as_share(said.get("chance")) is None else told_share(said["chance"]),
        found=[_text_of(kind) for kind in found],
        missed=[_name_of(kind) for kind in missed],
        kinds=[_limit_of_kind(kind) for kind in kinds],
    )


def _limit_of_kind(kind: Mapping[str, Any]) -> LimitOfKind:
    smallest = as_number(kind.get("smallest"))
    pairs = map(as_list, as_list(kind.get("rates"))[:_MOST_ROWS])
    return LimitOfKind(
        text=_name_of(kind),
        smallest="none of those tried" if smallest is None else _text_of(kind),
        rates=[
            (f"{float(pair[0]):.2g}", told_share(pair[1]))
            for pair in pairs
            if len(pair) == 2 and as_number(pair[0]) is not None
        ],
    )


def _name_of(kind: Mapping[str, Any]) -> str:
    return (as_text(kind.get("kind")) or _text_of(kind)).replace("_", " ")


def _text_of(kind: Mapping[str, Any]) -> str:
    return as_text(kind.get("text")) or as_text(kind.get("kind")) or UNKNOWN


def _texts(value: object) -> str:
    texts = [text for text in map(as_text, as_list(value)[:_MOST_ROWS]) if text]
    return ", ".join(visible(text, limit=200) for text in texts)


def _p_value(value: object) -> str:
    p = as_share(value)
    if p is None:
        return UNKNOWN
    return f"< {_SMALLEST_P:.6f}" if p < _SMALLEST_P else number(p)
