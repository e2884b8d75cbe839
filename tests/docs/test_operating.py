"""The page about running it names what there is, and nothing else."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.runner.watching import FIGURES, metrics_of
from xray_gate.runner.endpoint import serving
from xray_gate.runner.event_log import LogEvent
from xray_gate.runner.events import FailureKind
from xray_gate.runner.health import Health
from xray_gate.runner.metrics import RunnerMetrics

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
EXPOSED = metrics_of(RunnerMetrics(lambda: FIGURES).exposition())


def rows(first: str) -> dict[str, str]:
    """The table whose first column begins with this: the rest of each row by its first cell."""
    (table,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    cells = [line.strip("|").split("|", 1) for line in table.splitlines()]
    return {first.strip(): rest for first, rest in cells}


def test_the_table_holds_every_metric_with_its_labels() -> None:
    told = re.findall(r"`(\w+)(?:\{([\w,]+)\})?`", "\n".join(rows("`xray_gate_...`")))
    names = {f"xray_gate_{name}" for name, _ in told}
    parts = ("_bucket", "_count", "_sum")
    assert names == {re.sub(f"({'|'.join(parts)})$", "", name) for name in EXPOSED.names}
    for name, labels in told:
        series = next(s for s in EXPOSED.values if s.startswith(f"xray_gate_{name}"))
        found = set(re.findall(r"(\w+)=", series)) - {"le"}
        assert found == set(filter(None, labels.split(","))), name


def test_the_kinds_of_failures_and_the_events_are_all_told() -> None:
    kinds = re.findall(r"`(\w+)`", rows("`xray_gate_...`")["`scan_failures_total{reason}`"])
    assert kinds == [kind.value for kind in FailureKind]
    events = re.findall(r"`(\w+)`", rows("field")["`event`"])
    assert sorted(events) == sorted(event.value for event in LogEvent)


def test_the_alerts_ask_for_metrics_that_exist() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    (group,) = yaml.safe_load(text)["groups"]
    asked = set(re.findall(r"xray_gate_\w+", "\n".join(rule["expr"] for rule in group["rules"])))
    assert asked
    assert asked <= EXPOSED.names


@pytest.mark.parametrize(("reasons", "well"), [((), True), (("away; wait",), False)])
def test_the_check_for_a_container_ends_by_the_health(reasons: tuple[str, ...], well: bool) -> None:
    (line,) = re.findall(r"HEALTHCHECK CMD python (.*)", PAGE)
    with serving(("127.0.0.1", 0), lambda: b"", lambda: Health(reasons, 0.0, None)) as address:
        asked = [part.replace("127.0.0.1:9464", address) for part in shlex.split(line)]
        ended = subprocess.run([sys.executable, *asked], capture_output=True, check=False)
    assert (ended.returncode == 0) == well
