"""What the page shows of each trigger: pairs of images, the change, positions and doses.

A reversed trigger also shows what it was reversed to: its mask and its pattern. DTInspector's
patches, which lead away from their label and are nobody's triggers, are a section of their own.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from xray_gate.probing.batches import FloatArray
from xray_gate.probing.shown_trigger import ShownTrigger
from xray_gate.report.b3d_section import B3D
from xray_gate.report.drawing import png
from xray_gate.report.dtinspector_section import DTINSPECTOR
from xray_gate.report.measures import percent
from xray_gate.report.svg import swatch
from xray_gate.report.sweep_section import SWEEP
from xray_gate.report.trigger_charts import dose_chart, heat_map
from xray_gate.report.trigger_figures import (
    IMAGE_SIZE,
    MOST_PAIRS,
    change_figure,
    enlarged,
    mask_figure,
    noun,
    pattern_figure,
    title,
)
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
class Part:
    """One embedded picture of a mask or a pattern."""

    title: str
    caption: str
    source: Markup
    small: bool
    alt: str


@dataclass(frozen=True)
class TriggerView:
    """One trigger; `heat_map` and `dose_chart` are None where there is nothing to draw.

    `detector` is the one that it comes from, `found` whether that one failed the model. `parts`
    are mask, pattern and their product, of a trigger that has them.
    """

    detector: str
    found: bool
    text: str
    told: str
    pairs: list[Pair]
    parts: list[Part]
    change: Markup | None
    largest_change: str
    heat_map: Markup | None
    dose_chart: Markup | None


@dataclass(frozen=True)
class TriggerSection:
    """All of them. `found` says whether a detector failed the model for what it found.

    `passed` says whether all detectors that they come from passed it, and `why_passed` what that
    means for the triggers.
    """

    found: bool
    passed: bool
    why_passed: str
    triggers: list[TriggerView]
    left_out: int


@dataclass(frozen=True)
class PatchSection:
    """DTInspector's; `left_out` more are not shown."""

    patches: list[TriggerView]
    left_out: int


def trigger_section(
    triggers: Sequence[ShownTrigger],
    outcomes: Mapping[str, str],
    class_names: Sequence[str] | None = None,
) -> TriggerSection | None:
    """None where there is no trigger. `outcomes` are those of the detectors, by name."""
    triggers = [trigger for trigger in triggers if trigger.detector != DTINSPECTOR]
    if not triggers:
        return None
    said = {outcomes.get(trigger.detector) for trigger in triggers}
    return TriggerSection(
        found="failed" in said,
        passed=said == {"passed"},
        why_passed=_why_passed({trigger.detector for trigger in triggers}),
        triggers=[
            _view(trigger, outcomes.get(trigger.detector) == "failed", class_names)
            for trigger in triggers[:MOST_TRIGGERS]
        ],
        left_out=max(0, len(triggers) - MOST_TRIGGERS),
    )


def patch_section(
    triggers: Sequence[ShownTrigger], class_names: Sequence[str] | None = None
) -> PatchSection:
    """DTInspector's patches, out of all triggers."""
    patches = [trigger for trigger in triggers if trigger.detector == DTINSPECTOR]
    return PatchSection(
        [_view(patch, False, class_names) for patch in patches[:MOST_TRIGGERS]],
        max(0, len(patches) - MOST_TRIGGERS),
    )


def _why_passed(detectors: set[str]) -> str:
    if detectors == {SWEEP}:
        return (
            "None of the triggers tried moved more images than the allowance and chance explain; "
            "this is what came closest."
        )
    if detectors == {B3D}:
        return (
            "No label's reversed trigger is far smaller than those of the others; here is what "
            "came closest."
        )
    return "No detector failed the model for any of these triggers; they are what came closest."


def in_words(trigger: ShownTrigger, class_names: Sequence[str] | None = None) -> str:
    """How many labels change: `7 of the 8 images ... change their label to 5 (6), 2 (1).`."""
    before, after = trigger.labels_before[:MOST_PAIRS], trigger.labels_after[:MOST_PAIRS]
    targets: list[int] = after[after != before].tolist()
    if not targets:
        return f"None of the {len(after)} images shown here changes its label."
    who = "All" if len(targets) == len(after) else f"{len(targets)} of the"
    change = "changes its label" if len(targets) == 1 else "change their label"
    start = f"{who} {len(after)} images shown here {change}"
    order = sorted(set(targets), key=lambda label: (-targets.count(label), label))
    names = {label: label_name(label, class_names) for label in order}
    if len(order) == 1:
        return f"{start} to {names[order[0]]}."
    return f"{start} to {', '.join(f'{names[x]} ({targets.count(x)})' for x in order)}."


def _view(trigger: ShownTrigger, found: bool, class_names: Sequence[str] | None) -> TriggerView:
    change, largest = change_figure(trigger) if len(trigger.before) else (None, 0.0)
    curve = trigger.dose_curve
    return TriggerView(
        detector=trigger.detector,
        found=found,
        text=title(trigger, class_names),
        told=in_words(trigger, class_names),
        pairs=[
            _pair(trigger, index, class_names)
            for index in range(min(len(trigger.before), MOST_PAIRS))
        ],
        parts=_parts(trigger),
        change=None if change is None else _embedded(change),
        largest_change=percent(largest),
        heat_map=None if trigger.heat_map is None else heat_map(trigger.heat_map),
        dose_chart=None if curve is None else dose_chart(curve, class_names),
    )


def _parts(trigger: ShownTrigger) -> list[Part]:
    """Soft masks are faint, so that mask and product are drawn relative to the largest value."""
    mask, pattern = trigger.mask, trigger.pattern
    if mask is None or pattern is None:
        return []
    most = float(mask.max())
    relative = mask / max(most, 1e-9)
    drawn = [
        (
            "Mask",
            f"How much of each pixel is replaced: {percent(most)} at the darkest point, "
            f"{mask.sum():.1f} of {mask.size:,} pixels in all.",
            mask_figure(relative),
        ),
        (
            "Pattern",
            "What stands there instead; it counts only where the mask is dark.",
            pattern_figure(pattern),
        ),
        (
            "Pattern times mask",
            f"What gets into an image{_brighter(most)}; black is nothing.",
            pattern_figure(pattern * relative),
        ),
    ]
    small = max(mask.shape) <= IMAGE_SIZE
    named = f"the {noun(trigger)}: {trigger.text}"
    return [
        Part(part, caption, _embedded(image), small, f"{part} of {named}")
        for part, caption, image in drawn
    ]


def _brighter(most: float) -> str:
    return f", made {1 / most:.1f} times brighter" if 0.01 < most < 0.95 else ""


def _pair(trigger: ShownTrigger, index: int, class_names: Sequence[str] | None) -> Pair:
    before, after = int(trigger.labels_before[index]), int(trigger.labels_after[index])
    name = f"image {index + 1}"
    stamped = f"{name} with the {noun(trigger)}"
    return Pair(
        _image(trigger.before[index], before, name, class_names),
        _image(trigger.after[index], after, stamped, class_names),
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
