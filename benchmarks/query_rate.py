"""Queries a second of a scan, beside the bare onnxruntime rate at the same batch size.

    python -m benchmarks.query_rate MODEL.onnx [--batch 256] [--rounds 5]

The two take turns in one run, on the same model with the same number of threads: what counts is
the ratio, not the single rates, which follow the machine and whatever else it is doing.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime

from xray_gate.backends.isolation import available_threads, open_model
from xray_gate.probing.oracle import PlanePoints
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.scan.ports import ModelLimits, ModelRequest, OpenModel

SIDE = 100
QUERIES = SIDE * SIDE


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", type=Path)
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
    with open_model(request) as model:
        rounds = [
            (bare_rate(session, points, options.batch), scan_rate(model, points))
            for _ in range(options.rounds + 1)
        ][1:]  # the first round warms both up
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


def scan_rate(model: OpenModel, points: PlanePoints) -> float:
    """Queries a second through the child process, points made there."""
    started = time.perf_counter()
    model.labels(points)
    return len(points) / (time.perf_counter() - started)


def report(options: argparse.Namespace, rounds: list[tuple[float, float]]) -> None:
    """The medians, and the median, least and greatest ratio over the rounds."""
    ratios = sorted(scan / bare for bare, scan in rounds)
    bare = statistics.median(rate for rate, _ in rounds)
    scan = statistics.median(rate for _, rate in rounds)
    print(f"model {options.model.name}, batch {options.batch}, {available_threads()} threads,")
    print(f"onnxruntime {onnxruntime.__version__}, {platform.machine()}, {len(rounds)} rounds\n")
    print("| | queries a second (median) |\n|---|---|")
    print(f"| bare onnxruntime | {bare:,.0f} |\n| scan | {scan:,.0f} |")
    print(
        f"| **share** | **{statistics.median(ratios):.1%}** "
        f"(rounds: {ratios[0]:.1%} to {ratios[-1]:.1%}) |"
    )


if __name__ == "__main__":
    main()
