"""Queries a second of a scan, beside the bare onnxruntime rate at the same batch size.

    python -m benchmarks.query_rate MODEL.onnx [--probes PROBES] [--batch 256] [--rounds 5]

Three take turns in one run: the bare session, one plane through the model's process, and Model
X-ray as a scan runs it, with hidden checks and scores. All ask the same model with the same number
of threads: what counts is the ratio, not the single rates, which follow the machine and whatever
else it is doing.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks import markdown
from xray_gate import wiring
from xray_gate.backends.isolation import available_threads, open_model
from xray_gate.core.evidence import RunState
from xray_gate.detectors.interface import Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import PlanePoints
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.ports import ModelLimits, ModelRequest, OpenModel

SIDE = 100
QUERIES = SIDE * SIDE
DEMO_PROBES = Path(wiring.__file__).parent / "data" / "demo" / "probes.npz"


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", type=Path)
    parser.add_argument("--probes", type=Path, default=DEMO_PROBES)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    session = bare_session(options.model)
    shape = tuple(int(side) for side in session.get_inputs()[0].shape[1:])
    classes = int(session.get_outputs()[0].shape[1])
    points = plane((shape[0], shape[1], shape[2]))
    request = ModelRequest(
        path=options.model,
        preprocessing=Preprocessing(),
        outputs="auto",
        classes=classes,
        input_shape=(shape[0], shape[1], shape[2]),
        device="cpu",
        limits=ModelLimits(),
        batch_size=options.batch,
    )
    probes = read_probes(options.probes)
    with open_model(request) as model:
        rounds = [
            (
                bare_rate(session, points, options.batch),
                plane_rate(model, points),
                scan_rate(model, probes),
            )
            for _ in range(options.rounds + 1)
        ][1:]  # the first round warms all of them up
    report(options, rounds)


def bare_session(path: Path) -> onnxruntime.InferenceSession:
    """A session with as many threads as the scan's."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = available_threads()
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def plane(shape: tuple[int, int, int]) -> PlanePoints:
    """A plane of 10,000 points around a grey image, in the valid range."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, *shape)).astype(np.float32)
    axis = np.linspace(-5, 5, SIDE, dtype=np.float32)
    coordinates = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    origin = np.full(shape, 0.5, dtype=np.float32)
    return PlanePoints(origin, a / np.linalg.norm(a), b / np.linalg.norm(b), coordinates, clip=True)


def bare_rate(session: onnxruntime.InferenceSession, points: PlanePoints, batch: int) -> float:
    """Queries a second with one ready-made batch, asked again and again: nothing but the model."""
    images = points.images(0, batch)
    name = session.get_inputs()[0].name
    calls = -(-QUERIES // batch)
    started = time.perf_counter()
    for _ in range(calls):
        session.run(None, {name: images})
    return calls * batch / (time.perf_counter() - started)


def plane_rate(model: OpenModel, points: PlanePoints) -> float:
    """Queries a second through the child process, points made there."""
    started = time.perf_counter()
    model.labels(points)
    return len(points) / (time.perf_counter() - started)


def scan_rate(model: OpenModel, probes: ProbeSet) -> float:
    """Queries a second of Model X-ray on one plane in both ranges, with checks and scores."""
    rng = np.random.default_rng(0)
    labels = model.labels(probes.as_batch())
    detector = ModelXray(ModelXrayParameters(size=SIDE, planes=1))
    evidence = detector.run(Subject(CheckedOracle(model, rng), probes, labels), rng).evidence
    if evidence.state is not RunState.COMPLETED:
        raise SystemExit(f"the scan did not complete: {evidence.reason}")
    return evidence.queries / evidence.seconds


def report(options: argparse.Namespace, rounds: list[tuple[float, float, float]]) -> None:
    """The medians, and the median, least and greatest share of the bare rate over the rounds."""
    print(f"model {options.model.name}, batch {options.batch}, {available_threads()} threads,")
    print(f"onnxruntime {onnxruntime.__version__}, {platform.machine()}, {len(rounds)} rounds\n")
    headings = ("", "queries a second (median)", "share of bare (median, least to greatest)")
    rows = []
    for column, name in enumerate(("bare onnxruntime", "one plane", "Model X-ray")):
        rate = statistics.median(rates[column] for rates in rounds)
        ratios = sorted(rates[column] / rates[0] for rates in rounds)
        share = f"{statistics.median(ratios):.1%} ({ratios[0]:.1%} to {ratios[-1]:.1%})"
        rows.append((name, f"{rate:,.0f}", share if column else "100%"))
    print("\n".join(markdown.table(headings, rows)))


if __name__ == "__main__":
    main()
