"""Reports, as files that somebody hands over, and what is shown of them."""

import json
from collections.abc import Mapping
from contextlib import suppress

from tests.fuzz.choosing import Choose, changed_json
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from tests.report.b3d_builders import b3d_report
from tests.report.builders import report, unscannable
from tests.report.dtinspector_builders import dtinspector_report
from tests.report.sweep_builders import swept_report
from xray_gate.core.errors import InputError
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import dump, read_report
from xray_gate.report.scan_folder import PATCHES, TRIGGERS, read_scan_folder
from xray_gate.report.text import render_text

WORDS = (
    *(b'"schema_version": "1"', b'"verdict": "passed"', b'"detectors"', b'"statistics"'),
    *(b'"thresholds"', b'"suspected_labels"', b'"outcome": "failed"', b'"b3d"', b'"dtinspector"'),
    *(b'"tested"', b'"reading"', b'"label_shares"', b'"mask_l1"', b"NaN", b"1e999", b"\\ud800"),
)


def target(data: bytes) -> None:
    """A report that is read says itself that it passed, and can be shown."""
    path = written("report/report.json", data)
    for wanted in (TRIGGERS, PATCHES):
        try:
            folder = read_scan_folder(path.parent, wanted)
        except InputError as error:
            require(error, str(path))
            continue
        assert folder.accused == sorted(folder.accused)
        with suppress(InputError):
            folder.chosen()
    try:
        read = read_report(data)
    except InputError as error:
        require(error)
        return
    said = json.loads(data)
    assert read.verdict == said["verdict"]
    assert [d.outcome for d in read.detectors] == [d["outcome"] for d in said["detectors"]]
    shown = read.model_dump()
    dump(shown)
    lines = render_text(shown).encode()
    assert b"\x1b" not in lines
    assert lines.startswith(read.verdict.upper().encode())
    page = render_html(shown, ()).encode()
    assert b"<script" not in page.lower()


def seeds() -> Mapping[str, bytes]:
    """Reports of every detector, and of a model that could not be scanned."""
    made = {
        "planes": report(),
        "unscannable": unscannable(),
        "sweep": swept_report(),
        "b3d": b3d_report(),
        "dtinspector": dtinspector_report(),
    }
    return {name: dump(one).encode() for name, one in made.items()}


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree."""
    return changed_json(data, choose, ("passed", "failed", "skipped", "b3d", "<script>", "2"))
