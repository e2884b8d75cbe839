"""On a machine with a GPU: what a scan costs there, and whether it answers as the CPU does.

    python -m benchmarks.gpu_check                       # PreActResNet-18 with random weights
    python -m benchmarks.gpu_check MODEL [MODEL ...]     # .onnx, .pt or .pt2

Without a model, one network is asked as an exported program (PyTorch) and, where onnxruntime has
CUDA, as an ONNX file. For each: seconds of a dense and an adaptive scan after loading, of all
planes in the range that the paper publishes, and the labels of one plane compared with the CPU's.
Beside them, on the same device, the paper's plain loop and the bare network. A network with random
weights has plain regions, which adaptive planes like: for their time give a trained model. Ends 1
where labels agree on less than 99.9 % of the points or, on a GPU, a goal is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import xray_gate
from benchmarks import markdown
from benchmarks.gpu_bare import ETA, bare_rates, plain_loop
from benchmarks.lab.making.export import export_onnx
from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.catalogue import ARCHITECTURES, build
from xray_gate.backends.isolation import open_model
from xray_gate.core.evidence import RunState
from xray_gate.detectors.interface import Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters, Sampling
from xray_gate.probing.answer_checks import CheckedOracle
from xray_gate.probing.batches import LabelArray
from xray_gate.probing.clean_rows import CleanSamples
from xray_gate.probing.planes import Plane, draw_planes
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.probe_set import ProbeSet
from xray_gate.scan.ports import Device, ModelLimits, ModelRequest, OpenModel

LEAST_AGREEMENT = 0.999
DENSE_SECONDS, ADAPTIVE_SECONDS, TIMES_THE_PLAIN_LOOP = 1.0, 0.2, 20.0
SAMPLE = 12
DEMO_PROBES = Path(xray_gate.__file__).parent / "data" / "demo" / "probes.npz"


@dataclass(frozen=True)
class Asked:
    """What a model did on the device; `agreement` is the share of labels that the CPU gives too."""

    dense_seconds: float
    dense_queries: int
    adaptive_seconds: float
    adaptive_queries: int
    agreement: float
    facts: dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Print two tables and what is wrong; see the module's words for the exit status."""
    options = read_options(argv)
    device = torch.device(options.device)
    probes = read_probes(options.probes)
    drawn = draw_planes(probes, options.planes, np.random.default_rng(0))
    first = drawn[0][1]
    network = random_network(options.architecture, probes)
    with tempfile.TemporaryDirectory() as folder:
        models = options.models or saved(network, probes, options.device, Path(folder))
        found = {path.name: compare(path, probes, first, options) for path in models}
    triples = [probes.images[rows] for rows, _ in drawn]
    plain = plain_loop(network, triples, options.size, device)
    print("\n".join(scan_table(found, options)))
    print(f"\nplain loop, {options.architecture}, batches of 128: {plain:.2f} s")
    rates = bare_rates(network, first.origin.shape, device, options.batches, options.images)
    headings = ("bare network, images a second", *(f"batch {size}" for size in options.batches))
    rows = [(name, *(f"{rate:,.0f}" for rate in row)) for name, row in rates.items()]
    print("\n" + "\n".join(markdown.table(headings, rows)))
    compared = None if options.models else plain
    missed = [line for name, asked in found.items() for line in misses(name, asked, compared)]
    judged = [line for line in missed if options.device == "cuda" or "labels" in line]
    print("\n" + "\n".join(judged or ["no goal is missed"]))
    return 1 if judged else 0


def read_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What a scan costs on a GPU.")
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--probes", type=Path, default=DEMO_PROBES, help="the demo's CIFAR-10")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="preactresnet18")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--planes", type=int, default=20)
    parser.add_argument("--size", type=int, default=100, help="grid points along an axis")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest one counts")
    parser.add_argument("--batches", type=int, nargs="+", default=(256, 1024, 4096))
    parser.add_argument("--images", type=int, default=40_000, help="for each bare rate")
    options = parser.parse_args(argv)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU; try --device cpu")
    return options


def random_network(architecture: str, probes: ProbeSet) -> nn.Module:
    """The weights that training would begin with, on the CPU."""
    channels, side, _ = probes.images.shape[1:]
    shape = Shape(channels, side, int(probes.labels.max()) + 1)
    half, quarter = torch.full((channels,), 0.5), torch.full((channels,), 0.25)
    return build(architecture, shape, half, quarter, torch.Generator().manual_seed(0)).eval()


def saved(network: nn.Module, probes: ProbeSet, device: str, folder: Path) -> list[Path]:
    """The network as an exported program, and as an ONNX file where that can be asked."""
    import onnxruntime

    program, onnx = folder / "network.pt2", folder / "network.onnx"
    example = (torch.from_numpy(probes.images[:2]),)
    free = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(network, example, dynamic_shapes=free), program)
    if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        print("onnxruntime has no CUDA: asked through PyTorch only\n")
        return [program]
    export_onnx(network, onnx, *probes.images.shape[1:3])
    return [program, onnx]


def compare(path: Path, probes: ProbeSet, plane: Plane, options: argparse.Namespace) -> Asked:
    """Scan the model on the device, and ask about one plane there and on the CPU."""
    points = plane.points(options.size, ETA, clip=False)
    with open_model(request(path, "cpu", probes)) as model:
        on_cpu = model.labels(points)
    with open_model(request(path, options.device, probes)) as model:
        agreement = float((model.labels(points) == on_cpu).mean())
        dense, adaptive = (
            min(scan(model, probes, way, options) for _ in range(options.rounds))
            for way in ("dense", "adaptive")
        )
        return Asked(*dense, *adaptive, agreement, model.environment)


def request(path: Path, device: Device, probes: ProbeSet) -> ModelRequest:
    """The model as a scan opens it, with the batch that is chosen for the device."""
    channels, height, width = probes.images.shape[1:]
    rows = np.linspace(0, len(probes) - 1, SAMPLE).astype(np.int64)
    return ModelRequest(
        path=path,
        preprocessing=Preprocessing(),
        outputs="auto",
        classes=int(probes.labels.max()) + 1,
        input_shape=(channels, height, width),
        device=device,
        limits=ModelLimits(seconds=3600.0, memory_bytes=32 * 2**30),
        sample=probes.images[rows],
    )


def scan(
    model: OpenModel, probes: ProbeSet, sampling: str, options: argparse.Namespace
) -> tuple[float, int]:
    """Seconds and queries of Model X-ray on all planes, with its checks and scores."""
    way: Sampling = "dense" if sampling == "dense" else "adaptive"
    rng = np.random.default_rng(0)
    parameters = ModelXrayParameters(
        size=options.size, planes=options.planes, pixel_ranges=("unclipped",), sampling=way
    )
    labels: LabelArray = probes.labels
    # The model need not know the probes, nor more than one label.
    clean = CleanSamples(probes.images, model.labels(probes.as_batch()))
    oracle = CheckedOracle(model, rng, clean=clean)
    subject = Subject(oracle, probes, labels)
    evidence = ModelXray(parameters).run(subject, rng).evidence
    if evidence.state is not RunState.COMPLETED:
        raise SystemExit(f"the scan did not complete: {evidence.reason}")
    return evidence.seconds, evidence.queries


def scan_table(found: dict[str, Asked], options: argparse.Namespace) -> list[str]:
    """One row for each model."""
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    headings = (
        f"{gpu}, N {options.planes}, S {options.size}",
        *("dense s", "queries a second", "adaptive s", "queries", "labels as on CPU"),
        "precision, batch, points",
    )
    rows = []
    for name, asked in found.items():
        chosen = (asked.facts.get(fact, "-") for fact in ("precision", "batch", "points"))
        rows.append(
            (
                name,
                f"{asked.dense_seconds:.2f}",
                f"{asked.dense_queries / asked.dense_seconds:,.0f}",
                f"{asked.adaptive_seconds:.2f}",
                f"{asked.adaptive_queries:,}",
                f"{asked.agreement:.3%}",
                ", ".join(chosen),
            )
        )
    return markdown.table(headings, rows)


def misses(name: str, asked: Asked, plain: float | None) -> list[str]:
    """What a model's run falls short of; `plain`: seconds of the plain loop on the same network."""
    missed = []
    if asked.agreement < LEAST_AGREEMENT:
        missed.append(
            f"{name}: {asked.agreement:.3%} of the labels agree, not {LEAST_AGREEMENT:.1%}"
        )
    if asked.dense_seconds > DENSE_SECONDS:
        missed.append(f"{name}: dense took {asked.dense_seconds:.2f} s, not {DENSE_SECONDS} s")
    if asked.adaptive_seconds > ADAPTIVE_SECONDS:
        took = f"adaptive took {asked.adaptive_seconds:.2f} s"
        missed.append(f"{name}: {took}, not {ADAPTIVE_SECONDS} s")
    if plain is not None and plain < TIMES_THE_PLAIN_LOOP * asked.dense_seconds:
        times = plain / asked.dense_seconds
        missed.append(f"{name}: {times:.1f} times the plain loop, not {TIMES_THE_PLAIN_LOOP:.0f}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
