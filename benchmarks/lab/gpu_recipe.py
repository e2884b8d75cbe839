"""Train one network as the lab does on a GPU, and say how accurate it is and how long it took.

    python -m benchmarks.lab.gpu_recipe --data-folder DATA

Ends 1 where the accuracy is below ``--at-least`` or the training took longer than ``--within``. The
time is that of the whole training: from the network and the images in the host's memory to the
trained network there, with the start of CUDA and the search for the fastest convolutions.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import nn

from benchmarks.lab.data.sources import add_data_options, load, sources_of
from benchmarks.lab.data.splits import Split
from benchmarks.lab.making.implanting import new_network, streams_of
from benchmarks.lab.making.jobs import Job
from benchmarks.lab.train_command import add_machine_options, machine_of
from benchmarks.lab.training.fitting import PACES, course_of, fit
from benchmarks.lab.training.recipes import RECIPES


def share_right(network: nn.Module, test: Split, device: torch.device) -> float:
    """The share of images that a network classifies right, in float32, on a device."""
    network.eval().to(device)
    right = 0
    with torch.inference_mode():
        for start in range(0, len(test.labels), 500):
            images = torch.from_numpy(test.images[start : start + 500]).to(device)
            answers = network(images.permute(0, 3, 1, 2) / 255).argmax(dim=1).cpu().numpy()
            right += int((answers == test.labels[start : start + 500]).sum())
    return right / len(test.labels)


def main(argv: list[str] | None = None) -> int:
    """Train one network; print one line."""
    parser = argparse.ArgumentParser(description="Accuracy and seconds of one clean network.")
    add_data_options(parser)
    add_machine_options(parser)
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--architecture", choices=PACES, default="preactresnet18")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-least", type=float, default=0.92, help="accuracy, 0 to 1")
    parser.add_argument("--within", type=float, default=60.0, help="seconds")
    args = parser.parse_args(argv)
    try:
        machine, source = machine_of(args), sources_of(args).get(args.dataset)
        if source is None:
            raise ValueError(f"no data set {args.dataset}; name it with --data")
        data = load(args.dataset, source)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    torch.backends.cudnn.benchmark = machine.device == "cuda"
    network = new_network(Job(args.dataset, args.architecture, args.seed), data.classes, data.train)
    pace, recipe, images = PACES[args.architecture], RECIPES["normal"], len(data.train.labels)
    course = course_of(data, images, args.architecture, recipe, slow=False)
    rng = np.random.default_rng(streams_of(args.seed).order)
    began = time.perf_counter()
    seen = fit(network, data.train, data.classes, pace, course, recipe, rng, machine)
    seconds = time.perf_counter() - began
    accuracy = share_right(network, data.test, torch.device(machine.device))
    name = torch.cuda.get_device_name() if machine.device == "cuda" else "CPU"
    print(
        f"{args.architecture} on {args.dataset}, {name}, PyTorch {torch.__version__}: "
        f"{accuracy:.2%} of {len(data.test.labels)} test images right, {course.epochs} epochs of "
        f"{images} images in {seconds:.1f} s, {seen * course.batch / seconds:,.0f} images a second"
    )
    return 0 if accuracy >= args.at_least and seconds <= args.within else 1


if __name__ == "__main__":
    raise SystemExit(main())
