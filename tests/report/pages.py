"""Pages to look at, and what a reader sees of them."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from tests.report.b3d_builders import b3d, b3d_report, b3d_statistics, reversed_trigger
from tests.report.builders import HOSTILE, decision, evidence, plane, report, unscannable
from tests.report.dtinspector_builders import (
    dtinspector,
    dtinspector_report,
    dtinspector_statistics,
    learned_patch,
)
from tests.report.sweep_builders import one_row, shown_trigger, statistics, sweep, swept_report
from xray_gate.core.evidence import ModelFacts, SuspectedLabel
from xray_gate.core.verdict import DetectorJudgement, Outcome
from xray_gate.probing.shown_trigger import DoseCurve, ShownTrigger
from xray_gate.report.html import render_html

NAMES = ["cat", "dog", "bird", "frog"]


class Page(HTMLParser):
    """Every tag with its attributes, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self._hidden = False
        self.feed(page)
        self.close()
        self.text = re.sub(r"\s+", " ", "".join(self._text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def hostile_report() -> dict[str, Any]:
    """A report in which every string that can be foreign is."""
    found = evidence()
    xray = replace(
        found.detectors[0],
        name=HOSTILE,
        statistics={
            HOSTILE: {HOSTILE: 1.0},
            "renyi_entropy": HOSTILE,
            "label_shares": {HOSTILE: {HOSTILE: 1, "9" * 99: 1, "-1": 1, "1": 0.5, "2": None}},
        },
        parameters={HOSTILE: [HOSTILE]},
        suspected_labels=(SuspectedLabel(-5, 0.5),),
    )
    threshold = {HOSTILE: {"bound": HOSTILE, "source": HOSTILE, "suspicious": HOSTILE}, "x": None}
    judgement = DetectorJudgement(HOSTILE, Outcome.FAILED, HOSTILE, threshold)
    return report(
        replace(
            found,
            scan_id=HOSTILE,
            started_at=HOSTILE,
            model=ModelFacts(HOSTILE, HOSTILE, HOSTILE, 4, HOSTILE),
            detectors=(xray, found.detectors[1]),
            obstacle=HOSTILE,
            environment={HOSTILE: HOSTILE},
        ),
        decision(reasons=(HOSTILE,), judgements=(decision().judgements[0], judgement)),
    )


def swept(outcome: Outcome = Outcome.FAILED, **changes: Any) -> str:
    found = sweep(statistics=statistics(**changes))
    return render_html(swept_report(found, outcome), [plane()], NAMES, [shown_trigger()])


def hostile_sweep() -> dict[str, Any]:
    """A sweep in whose statistics every string is foreign."""
    row = one_row(text=HOSTILE, reading={"kind": HOSTILE, "label": HOSTILE, "source": HOSTILE})
    kinds = [
        {"kind": HOSTILE, "text": HOSTILE, "smallest": smallest, "rates": [[0.1, HOSTILE]]}
        for smallest in (0.1, None)
    ]
    found = statistics(
        tested=[row, one_row()],
        detection_limit={"trials": HOSTILE, "kinds": kinds},
        families_not_judged=[HOSTILE],
        sources_not_tested=[0, HOSTILE],
    )
    return swept_report(sweep(statistics=found), Outcome.PASSED)


def hostile_b3d() -> dict[str, Any]:
    """A search in whose statistics every string is foreign."""
    found = b3d_statistics(
        mask_l1={HOSTILE: HOSTILE, "3": 1.0},
        stopped=[HOSTILE] * 4,
        reached=[HOSTILE] * 4,
        held_back=HOSTILE,
    )
    return b3d_report(b3d(statistics=found), Outcome.PASSED)


def hostile_dtinspector() -> dict[str, Any]:
    """An inspection in whose statistics every string is foreign."""
    found = dtinspector_statistics(
        transfer_ratio={HOSTILE: HOSTILE, "3": 0.5},
        fitted_ratio=[HOSTILE] * 6,
        held_back_ratio=[HOSTILE] * 6,
        labels_not_tested=[HOSTILE, 1],
        training_samples=HOSTILE,
        no_gradients=HOSTILE,
    )
    named = {"source": HOSTILE, "samples": HOSTILE, "sha256": HOSTILE}
    return dtinspector_report(
        dtinspector(statistics=found), Outcome.PASSED, environment={"training_data": named}
    )


def hostile_trigger() -> ShownTrigger:
    curve = DoseCurve(HOSTILE, (0.1, 0.2), {3: (0.1, 0.9)}, 0.1)
    return shown_trigger(text=HOSTILE, detector=HOSTILE, dose_curve=curve)


PAGES = {
    "failed": lambda: render_html(report(), [plane()]),
    "undecided": lambda: render_html(unscannable(), []),
    "hostile": lambda: render_html(hostile_report(), [plane()], [HOSTILE] * 4),
    "swept": lambda: swept(),
    "hostile sweep": lambda: render_html(
        hostile_sweep(), [], [HOSTILE] * 4, [hostile_trigger(), hostile_trigger()]
    ),
    "b3d": lambda: render_html(b3d_report(), [], NAMES, [reversed_trigger()]),
    "hostile b3d": lambda: render_html(
        hostile_b3d(), [], [HOSTILE] * 4, [reversed_trigger(text=HOSTILE, detector=HOSTILE)]
    ),
    "dtinspector": lambda: render_html(dtinspector_report(), [], NAMES, [learned_patch()]),
    "hostile dtinspector": lambda: render_html(
        hostile_dtinspector(), [], [HOSTILE] * 6, [learned_patch(text=HOSTILE, label=None)]
    ),
}
