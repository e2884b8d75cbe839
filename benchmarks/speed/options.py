"""What the commands that scan a model have in common."""

from __future__ import annotations

import argparse
import os
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.speed.product import Case
from xray_gate.backends.isolation import available_threads
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters
from xray_gate.policy.files import Policy, read_policy
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.probing.probe_files import read_probes

# What the ways that do not know the product ask a model with.
_PIXELS = (Preprocessing(), Preprocessing(layout="auto", dtype="auto"))


def add_case(parser: argparse.ArgumentParser) -> None:
    """The options that `case_of` reads, except for the model."""
    parser.add_argument(
        "--probes", type=Path, help="clean samples (without it: MODEL-probes.npz beside the model)"
    )
    parser.add_argument("--policy", type=Path, help="judges the scans, and says how they are made")
    parser.add_argument("--planes", type=int, help="how many, instead of the policy's or 20")
    parser.add_argument("--size", type=int, help="grid points a side, instead of 100")
    parser.add_argument("--ranges", nargs="+", choices=("unclipped", "valid"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, help="images a call of the product's scan")
    parser.add_argument("--memory-mb", type=int, default=8192, help="for the product's process")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")


def case_of(model: Path, options: argparse.Namespace) -> Case:
    """The case of one model.

    Raises:
        ValueError: If the policy wants the pixels to be changed before the model sees them.

    """
    policy = None if options.policy is None else read_policy(options.policy)
    probes = options.probes or model.with_name(f"{model.stem}-probes.npz")
    case = Case(
        model=model,
        probes=read_probes(probes),
        parameters=_parameters(policy, options),
        device=options.device,
        policy=policy,
        batch=options.batch,
        memory_mb=options.memory_mb,
    )
    if case.preprocessing not in _PIXELS:
        raise ValueError(
            f"policy {case.policy and case.policy.name}: declares preprocessing, which only the "
            "product would do; compare on models that take pixels in [0, 1], channels first"
        )
    return case


def _parameters(policy: Policy | None, options: argparse.Namespace) -> ModelXrayParameters:
    spec = None if policy is None else policy.document.detectors.model_xray
    chosen = ModelXrayParameters() if spec is None else _of_policy(spec.settings())
    given = {
        "planes": options.planes,
        "size": options.size,
        "pixel_ranges": None if options.ranges is None else tuple(options.ranges),
    }
    return replace(chosen, **{name: value for name, value in given.items() if value is not None})


def _of_policy(settings: dict[str, Any]) -> ModelXrayParameters:
    return ModelXrayParameters.from_json(settings)


def machine(device: str) -> dict[str, Any]:
    """Where the figures come from, for the table's head."""
    names = ("onnxruntime", "torch", "numpy")
    found = {name: _version(name) for name in names}
    facts = {
        **{name: number for name, number in found.items() if number},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": available_threads(),
        # Others' work slows all ways, but not all alike.
        "load": os.getloadavg()[0],
    }
    return facts if device == "cpu" else {**facts, "gpu": _gpu()}


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name(0)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:
        return None
