"""A real MLflow server behind the gate, its policies, and runners as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
import yaml

from tests.support.models import write_probes
from xray_gate.cli.demo_site import Site

ENTROPY = 0.6
"""The tiny models' entropies are about 1.5 (clean) and 0.03 (backdoored)."""


def write_site_policies(folder: Path) -> Path:
    """`tiny` scans `tiny-*` in a moment; `slow` takes minutes over `slow-*`."""
    folder.mkdir()
    write_probes(folder / "probes.npz")
    for name, size, planes in (("tiny", 20, 4), ("slow", 400, 1000)):
        bound = {
            "statistic": "renyi_entropy.unclipped",
            "bound": ENTROPY,
            "source": "a wide margin between two tiny models",
        }
        document = {
            "apiVersion": "xray-gate/v1",
            "kind": "Policy",
            "name": name,
            "match": {"registered_models": [f"{name}-*"]},
            "probes": "probes.npz",
            "detectors": {"model_xray": {"size": size, "planes": planes, "thresholds": [bound]}},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    return folder


@contextmanager
def slow_made_quick(folder: Path) -> Iterator[None]:
    """The server's policy `slow` asks for little, until the context ends."""
    path = folder / "slow.yaml"
    before = path.read_text()
    document = yaml.safe_load(before)
    document["detectors"]["model_xray"].update(size=20, planes=4)
    path.write_text(yaml.safe_dump(document))
    try:
        yield
    finally:
        path.write_text(before)


def xray_gate(*arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "xray_gate", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def runner_arguments(site: Site) -> list[str]:
    return ["runner", "--registry-uri", site.registry_uri, "--tracking-uri", site.tracking_uri]


@contextmanager
def started_runner(site: Site, log: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A runner that works until the context ends."""
    # What a killed runner leaves behind is cleared away with the test's folder.
    temporary = log.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "xray_gate", *runner_arguments(site), *more],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def children(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *children(child)]
    return found


def wait_until(what: Callable[[], Any], why: str, seconds: float = 60.0) -> Any:
    """What `what` answers once that is true; a failure that says why else."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{why}, even after {seconds:.0f} s")


def rows(site: Site, statement: str, **values: object) -> list[Any]:
    """Ask the registry's database."""
    engine = sqlalchemy.create_engine(site.registry_uri.removeprefix("xray-gate+"))
    try:
        with engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(statement), values))
    finally:
        engine.dispose()
