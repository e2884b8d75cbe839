"""What the page shows of each trigger: pairs of images, the change, positions and doses."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from xray_gate.probing.oracle import FloatArray
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.report.drawing import png
from xray_gate.report.measures import percent
from xray_gate.report.svg import swatch
from xray_gate.report.trigger_charts import dose_chart, heat_map
from xray_gate.report.trigger_figures import IMAGE_SIZE, MOST_PAIRS, change_figure, enlarged
from xray_gate.report.visible import label_name

MOST_TRIGGERS = 6
"""How many triggers the page shows; the others are artifacts of the run."""


@dataclass(frozen=True)
class ShownImage:
    """An embedded image and the model's label for it."""

    source: Markup
    small: bool
    alt: str
    label: str
    swatch: Markup


@dataclass(frozen=True)
class Pair:
    """The same image without and with the trigger."""

    before: ShownImage
    after: ShownImage
    changed: bool


@dataclass(frozen=True)
class TriggerView:
    """One trigger; `heat_map` and `dose_chart` are None where there is nothing to draw."""

    text: str
    told: str
    pairs: list[Pair]
    change: Markup | None
    largest_change: str
    heat_map: Markup | None
    dose_chart: Markup | None


@dataclass(frozen=True)
class TriggerSection:
    """All of them. `found` says whether a detector failed the model for what it found."""

    found: bool
    passed: bool
    triggers: list[TriggerView]
    left_out: int


def trigger_section(
    triggers: Sequence[ShownTrigger],
    outcomes: Mapping[str, str],
    class_names: Sequence[str] | None = None,
) -> TriggerSection | None:
    """None where there is no trigger. `outcomes` are those of the detectors, by name."""
    if not triggers:
        return None
    said = {outcomes.get(trigger.detector) for trigger in triggers}
    return TriggerSection(
        found="failed" in said,
        passed=said == {"passed"},
        triggers=[_view(trigger, class_names) for trigger in triggers[:MOST_TRIGGERS]],
        left_out=max(0, len(triggers) - MOST_TRIGGERS),
    )


def in_words(trigger: ShownTrigger, class_names: Sequence[str] | None = None) -> str:
    """How many labels change: `7 of the 8 images ... change their label to 5 (6), 2 (1).`."""
    before, after = trigger.labels_before[:MOST_PAIRS], trigger.labels_after[:MOST_PAIRS]
    targets: list[int] = after[after != before].tolist()
    if not targets:
        return f"None of the {len(after)} images shown here changes its label."
    who = "All" if len(targets) == len(after) else f"{len(targets)} of the"
    start = f"{who} {len(after)} images shown here change their label"
    order = sorted(set(targets), key=lambda label: (-targets.count(label), label))
    names = {label: label_name(label, class_names) for label in order}
    if len(order) == 1:
        return f"{start} to {names[order[0]]}."
    return f"{start} to {', '.join(f'{names[x]} ({targets.count(x)})' for x in order)}."


def _view(trigger: ShownTrigger, class_names: Sequence[str] | None) -> TriggerView:
    change, largest = change_figure(trigger) if len(trigger.before) else (None, 0.0)
    curve = trigger.dose_curve
    return TriggerView(
        text=trigger.text,
        told=in_words(trigger, class_names),
        pairs=[
            _pair(trigger, index, class_names)
            for index in range(min(len(trigger.before), MOST_PAIRS))
        ],
        change=None if change is None else _embedded(change),
        largest_change=percent(largest),
        heat_map=None if trigger.heat_map is None else heat_map(trigger.heat_map),
        dose_chart=None if curve is None else dose_chart(curve, class_names),
    )


def _pair(trigger: ShownTrigger, index: int, class_names: Sequence[str] | None) -> Pair:
    before, after = int(trigger.labels_before[index]), int(trigger.labels_after[index])
    return Pair(
        _image(trigger.before[index], before, f"image {index + 1}", class_names),
        _image(trigger.after[index], after, f"image {index + 1} with the trigger", class_names),
        changed=after != before,
    )


def _image(
    pixels: FloatArray, label: int, name: str, class_names: Sequence[str] | None
) -> ShownImage:
    said = label_name(label, class_names)
    return ShownImage(
        source=_embedded(png(enlarged(pixels))),
        small=max(pixels.shape[1:]) <= IMAGE_SIZE,
        alt=f"{name}, labelled {said}",
        label=said,
        swatch=swatch(label),
    )


def _embedded(content: bytes) -> Markup:
    data = base64.b64encode(content).decode()
    return Markup(f"data:image/png;base64,{data}")  # noqa: S704 - base64 holds nothing to escape
