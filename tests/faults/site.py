"""A registry with its MLflow server, versions to scan, and runners that die while they do."""

import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import mlflow
import onnx

from tests.faults.program import PLANES, SIZE, Order, run
from tests.support.gate import Gate
from tests.support.models import write_backdoored, write_clean, write_probes
from tests.support.site import ENTROPY, wait_until
from xray_gate.cli.demo_site import free_port
from xray_gate.signing.key_folder import PRIVATE, new_key
from xray_gate.wiring.server import POLICY_VARIABLE, TRACKING_VARIABLE

END_SECONDS = 120.0
# One retry, so that what is down is found out within a second.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "PYTHONWARNINGS": "ignore",
}
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.program"])


class MlflowServer:
    """A real server that can be stopped and started again at the same address."""

    def __init__(self, folder: Path, database: str, policies: Path) -> None:
        self._folder, self._policies = folder, policies
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"http://127.0.0.1:{self._port}"
        self.artifacts = folder / "artifacts"
        self._databases = [
            *("--backend-store-uri", database),
            *("--registry-store-uri", f"xray-gate+{database}"),
        ]

    def start(self) -> None:
        """Listen, and be ready for questions when this returns."""
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self._port), *self._databases),
            *("--artifacts-destination", str(self.artifacts)),
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT, "XRAY_GATE_POLICY": str(self._policies)},
                start_new_session=True,
            )
        wait_until(self._answers, f"the server did not start; see {self._folder}", 90.0)

    def kill(self) -> None:
        """End it at once, with all its workers."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None

    def _answers(self) -> bool:
        question = f"{self.uri}/api/2.0/mlflow/registered-models/search?max_results=1"
        try:
            with urllib.request.urlopen(question, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class Runner:
    """A runner's process, or another one of ours that has steps."""

    def __init__(self, order: Order, *more: Any, program: Callable[..., None] = run) -> None:
        self.order = order
        self._process: BaseProcess = _FORKS.Process(target=program, args=(order, *more))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def ended(self, seconds: float = END_SECONDS) -> int:
        """Wait for its end; its exit status, a signal is negative."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise AssertionError(f"the runner did not end: {self.log}")
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join(10)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait_until_stopped(self) -> None:
        """Until it stands still at its step."""
        wait_until(lambda: self._state() in ("T", ""), f"it never stopped: {self.log}", END_SECONDS)
        assert self._state() == "T", f"it ended before it stopped: {self.log}"

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    @property
    def trail(self) -> list[str]:
        """The steps that it came to."""
        path = self.order.folder / "trail"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def log(self) -> str:
        path = self.order.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def left_processes(self) -> list[int]:
        """Those that it had started when it came to its fault, and that still run."""
        path = self.order.folder / "children"
        started = path.read_text().split() if path.exists() else []
        # A process that ended but was not waited for keeps its number, but has no program.
        return [int(pid) for pid in started if Path(f"/proc/{pid}/exe").exists()]

    def _state(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""


class FaultSite:
    """A gated registry on `database`, its server, and models that nobody has registered yet."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        folder.mkdir(parents=True, exist_ok=True)
        self.scanned_again: set[str] = set()
        self._numbers = itertools.count(1)
        self._orders = itertools.count(1)
        self.gate = Gate(database, folder / "policies")
        bound = {"statistic": "renyi_entropy.unclipped", "bound": ENTROPY, "source": "a margin"}
        self.gate.set_policy(
            probes=str(write_probes(folder / "probes.npz")),
            detectors={"model_xray": {"size": SIZE, "planes": PLANES, "thresholds": [bound]}},
        )
        self.server = MlflowServer(folder, database, folder / "policies")
        new_key(folder / "keys", None, datetime.now(UTC))
        self._models = {
            "clean": _model_folder(folder, "clean"),
            "backdoored": _model_folder(folder, "backdoored"),
            "no model": folder / "no-model",
        }
        self._models["no model"].mkdir()
        self.order = Order(
            folder,
            folder / "tmp",
            f"xray-gate+{database}",
            self.server.uri,
            folder / "keys" / PRIVATE,
            environment={
                **_ENVIRONMENT,
                POLICY_VARIABLE: str(folder / "policies"),
                TRACKING_VARIABLE: self.server.uri,
            },
        )

    def local(self, location: str) -> Path:
        """Where on this machine lies what is at a location."""
        if location.startswith("file://"):
            return Path(location.removeprefix("file://"))
        return self.server.artifacts / location.removeprefix("mlflow-artifacts:/")

    @property
    def left_files(self) -> list[str]:
        """What runners have left among the temporary files."""
        return sorted(path.name for path in self.order.temporary.glob("*"))

    def register(self, kind: str = "clean", name: str = "signs") -> int:
        """A new version with bytes of its own, behind the server's artifacts; its number."""
        return int(self.gate.register(name, self.logged(kind)).version)

    def logged(self, kind: str = "clean") -> str:
        """Where a new model lies that nobody has registered yet."""
        number = next(self._numbers)
        place = self.server.artifacts / "models" / str(number)
        shutil.copytree(self._models[kind], place)
        with (place / "requirements.txt").open("a") as requirements:
            requirements.write(f"# of model {number}\n")
        return f"mlflow-artifacts:/models/{number}"

    def runner(self, *more: Any, program: Callable[..., None] = run, **changes: Any) -> Runner:
        """Start a runner as ordered."""
        folder = self.folder / "runners" / str(next(self._orders))
        return Runner(replace(self.order, folder=folder, **changes), *more, program=program)

    def recover(self, looks: int, *changes: Callable[[Order], object]) -> Runner:
        """A sound runner works the queue to its end, from two hours later on."""
        runner = self.runner(None, *changes, hours=2.0, looks=looks)
        if runner.ended() != 0:
            raise AssertionError(f"a sound runner failed: {runner.log}")
        return runner


@contextmanager
def fault_site(folder: Path, database: str) -> Iterator[FaultSite]:
    """The site, with its server, for the time of the context."""
    site = FaultSite(folder, database)
    site.server.start()
    try:
        yield site
    finally:
        site.server.kill()


def _model_folder(folder: Path, kind: str) -> Path:
    write = {"clean": write_clean, "backdoored": write_backdoored}[kind]
    model = onnx.load(write(folder / f"{kind}.onnx"))
    path = folder / f"{kind}-model"
    # Without requirements MLflow loads the model in another process to guess them.
    mlflow.onnx.save_model(model, path, pip_requirements=["onnxruntime"])
    return path
