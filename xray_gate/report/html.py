"""The report as one self-contained HTML page: no script, no request, readable on a phone."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from xray_gate.probing.planes import ScannedPlane
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.report.answers_told import answers_told
from xray_gate.report.b3d_section import b3d_section
from xray_gate.report.dtinspector_section import dtinspector_section
from xray_gate.report.figures import caption, label_shares, plane_figure
from xray_gate.report.foreign import as_mapping
from xray_gate.report.json_v1 import DetectorV1, ReportV1, dump
from xray_gate.report.label_bars import Share, label_bars
from xray_gate.report.measures import measures, number, percent
from xray_gate.report.next_steps import headline, next_steps
from xray_gate.report.svg import number_line, verdict_icon
from xray_gate.report.sweep_section import sweep_section
from xray_gate.report.trigger_section import patch_section, trigger_section
from xray_gate.report.visible import label_name, visible
from xray_gate.report.xray_section import xray_notes

MOST_PLANES = 12
"""How many planes of one pixel range are embedded; the others are artifacts of the run."""


@dataclass(frozen=True)
class Figure:
    """One embedded plane."""

    caption: str
    alt: str
    source: Markup


@dataclass(frozen=True)
class PlaneGroup:
    """The planes of one pixel range; `left_out` more were scanned."""

    pixel_range: str
    figures: list[Figure]
    left_out: int


def render_html(
    report: Mapping[str, Any],
    planes: Sequence[ScannedPlane],
    class_names: Sequence[str] | None = None,
    triggers: Sequence[ShownTrigger] = (),
) -> str:
    """The page for a report as `report_json` gives it, with its planes and triggers.

    It holds at most `MOST_PLANES` planes of one pixel range, and `MOST_TRIGGERS` triggers and as
    many of DTInspector's patches. Everything foreign is escaped, and a content security policy
    forbids whatever the page does not hold itself. Raises pydantic's ValidationError (a
    ValueError) when `report` is no report.
    """
    read = ReportV1.model_validate(report)
    style, policy = _style()
    training = as_mapping(read.environment.get("training_data"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=read,
            headline=headline(read),
            icon=verdict_icon(read.verdict),
            steps=next_steps(read),
            answers=answers_told(read.answers),
            style=style,
            content_security_policy=policy,
            distributions=_distributions(read.detectors, class_names),
            groups=_plane_groups(planes, class_names),
            plane_notes=xray_notes(read.detectors),
            shown=trigger_section(triggers, _outcomes(read), class_names),
            sweep=sweep_section(read.detectors, class_names),
            reversals=b3d_section(read.detectors, class_names),
            inspection=dtinspector_section(read.detectors, training, class_names),
            patched=patch_section(triggers, class_names),
            not_run=[
                d for d in read.detectors if d.outcome in ("skipped", "errored", "inconclusive")
            ],
            ran=[d for d in read.detectors if d.outcome != "skipped"],
            trained="samples" in training,
            measures=measures,
            number_line=number_line,
            number=number,
            percent=percent,
            label=lambda label: label_name(label, class_names),
            compact=_compact,
            raw=escape(dump(report)),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("xray_gate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    """Applied to whatever the template writes: only Markup, which is ours, goes out as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@lru_cache(maxsize=1)
def _style() -> tuple[Markup, str]:
    """The style sheet and the policy that admits it by its hash, and no other style or script."""
    style = files("xray_gate.report").joinpath("templates/report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Markup(style), policy  # noqa: S704 - a file of this package


def _compact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _outcomes(report: ReportV1) -> dict[str, str]:
    return {detector.name: detector.outcome for detector in report.detectors}


def _distributions(
    detectors: Sequence[DetectorV1], class_names: Sequence[str] | None
) -> dict[str, list[Share]]:
    """The mean label shares that detectors report, by pixel range, the largest first."""
    found: dict[str, list[Share]] = {}
    for detector in detectors:
        by_range = detector.statistics.get("label_shares")
        if isinstance(by_range, Mapping):
            for pixel_range, shares in by_range.items():
                if bars := label_bars(shares, class_names):
                    found[pixel_range] = bars
    return found


def _plane_groups(
    planes: Sequence[ScannedPlane], class_names: Sequence[str] | None
) -> list[PlaneGroup]:
    ranges = dict.fromkeys(plane.pixel_range for plane in planes)
    groups = []
    for pixel_range in ranges:
        mine = [plane for plane in planes if plane.pixel_range == pixel_range]
        figures = [_figure(plane, class_names) for plane in mine[:MOST_PLANES]]
        groups.append(PlaneGroup(pixel_range, figures, len(mine) - len(figures)))
    return groups


def _figure(plane: ScannedPlane, class_names: Sequence[str] | None) -> Figure:
    image = base64.b64encode(plane_figure(plane, class_names)).decode()
    largest, share = label_shares([plane])[0]
    where = f"{label_name(largest, class_names)} covers {share:.0%}"
    return Figure(
        f"{caption(plane)}; {where}. Samples: {_samples(plane, class_names)}.",
        f"Map of predicted labels, {caption(plane)}; {where} of the area",
        Markup(f"data:image/png;base64,{image}"),  # noqa: S704 - base64 holds nothing to escape
    )


def _samples(plane: ScannedPlane, class_names: Sequence[str] | None) -> str:
    """`5 dog seen as 3 cat, 9 truck, 6 frog`: what the figure says in letters too small here."""
    said = []
    for true, predicted in zip(plane.true_labels, plane.predicted_labels, strict=True):
        wrong = "" if predicted == true else f" seen as {label_name(predicted, class_names)}"
        said.append(label_name(true, class_names) + wrong)
    return ", ".join(said)
