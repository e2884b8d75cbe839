"""Writes a scan's report into a folder: report.json, report.html, planes and triggers as PNG.

evidence.json is what was measured, without a verdict: what `xray-gate policy test` judges.

A verdict that was signed has its envelope beside them, attestation.json.

A trigger that was reversed to a mask and a pattern is also an .npz file, which `xray-gate filter`
reads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xray_gate.core.verdict import Decision
from xray_gate.policy.files import Policy
from xray_gate.probing.trigger_files import trigger_file
from xray_gate.report.figures import plane_figure
from xray_gate.report.html import render_html
from xray_gate.report.json_v1 import dump, report_json
from xray_gate.report.trigger_figures import trigger_figure
from xray_gate.scan.work import ScanOutput

ATTESTATION = "attestation.json"
_SUFFIX = {"unclipped": "", "valid": "_valid"}


def write_report(
    folder: Path,
    output: ScanOutput,
    decision: Decision,
    policy: Policy,
    attestation: str | None = None,
) -> dict[str, Any]:
    """Fill `folder` (made when missing); the report as JSON values.

    Every file is written under another name first, so that none is ever there by half.
    """
    report = report_json(output.evidence, decision, policy.name, policy.digest)
    names: Sequence[str] | None = policy.document.class_names
    (folder / "planes").mkdir(parents=True, exist_ok=True)
    for plane in output.planes:
        name = f"plane_{plane.index:03d}{_SUFFIX[plane.pixel_range]}.png"
        _write(folder / "planes" / name, plane_figure(plane, names))
    for index, trigger in enumerate(output.triggers):
        (folder / "triggers").mkdir(exist_ok=True)
        path = folder / "triggers" / f"trigger_{index:03d}.png"
        _write(path, trigger_figure(trigger, names))
        if (reversed_one := trigger_file(trigger, output.evidence.scan_id)) is not None:
            name, content = reversed_one
            _write(folder / "triggers" / name, content)
    page = render_html(report, output.planes, names, output.triggers)
    _write(folder / "report.html", page.encode())
    _write(folder / "report.json", dump(report).encode())
    _write(folder / "evidence.json", dump(output.evidence.to_json()).encode())
    if attestation is None:
        # That of an earlier scan would lie beside a report that it is not about.
        (folder / ATTESTATION).unlink(missing_ok=True)
    else:
        _write(folder / ATTESTATION, attestation.encode())
    return report


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)
