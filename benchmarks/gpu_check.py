"""On a machine with a GPU: the same plane on both devices, labels compared, rates measured.

    python -m benchmarks.gpu_check MODEL [MODEL ...]     # .onnx, .pt or .pt2

Prints for each model the queries a second on CPU and GPU and the share of labels on which they
agree. Ends 1 where they agree on less than 99.9 % of the points.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from xray_gate.backends.isolation import open_model
from xray_gate.probing.batches import LabelArray, PlanePoints
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.scan.ports import Device, ModelLimits, ModelRequest, OpenModel

LEAST_AGREEMENT = 0.999
SIDE = 100


def main() -> int:
    """Print one line for each model."""
    parser = argparse.ArgumentParser(description="Compare CPU and GPU on the same plane.")
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--shape", type=int, nargs=3, default=(3, 32, 32))
    parser.add_argument("--batch", type=int, default=1024)
    options = parser.parse_args()
    worst = 1.0
    for path in options.models:
        cpu, cpu_rate = ask(path, "cpu", options)
        gpu, gpu_rate = ask(path, "cuda", options)
        agreement = float((cpu == gpu).mean())
        worst = min(worst, agreement)
        print(
            f"{path.name}: CPU {cpu_rate:,.0f}, GPU {gpu_rate:,.0f} queries a second "
            f"({gpu_rate / cpu_rate:.1f} times), labels agree on {agreement:.3%}"
        )
    return 0 if worst >= LEAST_AGREEMENT else 1


def ask(path: Path, device: Device, options: argparse.Namespace) -> tuple[LabelArray, float]:
    """Labels of a plane of 10,000 points on one device, and queries a second when warm."""
    channels, height, width = options.shape
    points = plane((channels, height, width))
    request = ModelRequest(
        path=path,
        preprocessing=Preprocessing(),
        outputs="auto",
        classes=options.classes,
        input_shape=(channels, height, width),
        device=device,
        limits=ModelLimits(),
        batch_size=options.batch,
    )
    with open_model(request) as model:
        labels = model.labels(points)
        return labels, plane_rate(model, points)


def plane(shape: tuple[int, int, int]) -> PlanePoints:
    """A plane of 10,000 points around a grey image, in the valid range."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, *shape)).astype(np.float32)
    axis = np.linspace(-5, 5, SIDE, dtype=np.float32)
    coordinates = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    origin = np.full(shape, 0.5, dtype=np.float32)
    return PlanePoints(origin, a / np.linalg.norm(a), b / np.linalg.norm(b), coordinates, clip=True)


def plane_rate(model: OpenModel, points: PlanePoints) -> float:
    """Queries a second through the child process, points made there."""
    started = time.perf_counter()
    model.labels(points)
    return len(points) / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
