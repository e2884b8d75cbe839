"""Ask other detectors about the models of a lab folder: Neural Cleanse and MM-BD.

    python -m benchmarks.lab.peers FOLDER --out results.json --data-folder DATA
        [--only FILE ...] [--peer NAME] [--budget cpu] [--device cpu]

FOLDER holds models and ``manifest.json`` as ``benchmarks.lab`` writes it. Rows are kept as they
come, one for each model and peer, so that an interrupted run goes on where it stopped; other
settings, images or seeds give rows of their own. A model that a peer cannot be run on gets no row
and makes the command end with 1.

Neural Cleanse needs clean images: ``--images`` of the data set's test images (``--split train``:
of its training images, before any was poisoned), or without a data set the probes,
``probes_DATASET.npz`` in FOLDER or ``--probes``. MM-BD needs none. ``--budget published`` is as
the authors have it: of a small network with ten classes, Neural Cleanse takes a core five to ten
minutes. ``cpu`` takes one or two; ``BUDGETS`` of ``label_search`` and ``mm_bd`` say what differs.
"""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.lab.data.sources import add_data_options, sources_of
from benchmarks.lab.peers.running import (
    BUDGETS,
    PEERS,
    Pictures,
    Question,
    from_probes,
    from_source,
)
from benchmarks.model_folder import Row, add_missing

LOG = logging.getLogger("peers")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Other detectors over the models of a lab folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], metavar="FILE", help="all without")
    parser.add_argument("--peer", choices=sorted(PEERS), action="append", help="all without")
    parser.add_argument("--budget", choices=BUDGETS, default="published")
    parser.add_argument("--probes", type=Path, help="clean images for all models")
    add_data_options(parser)
    parser.add_argument("--split", choices=("test", "train"), default="test")
    parser.add_argument("--images", type=int, default=2500, help="how many of --split")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _device(wanted: str, parser: argparse.ArgumentParser) -> str:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        parser.error("PyTorch sees no GPU; use --device cpu")
    return "cuda" if available and wanted != "cpu" else "cpu"


def _reader(args: argparse.Namespace) -> Callable[[str], Pictures]:
    """Clean images of a data set, read once."""
    sources = sources_of(args) if args.data_folder or args.data else {}

    @functools.lru_cache
    def read(dataset: str) -> Pictures:
        if args.probes:
            return from_probes(args.probes)
        if not sources:
            return from_probes(args.folder / f"probes_{dataset}.npz")
        if dataset not in sources:
            raise ValueError(f"no data of {dataset}; name them with --data, or give --probes")
        return from_source(sources[dataset], args.split, args.images, args.seed)

    return read


def _words(args: argparse.Namespace) -> str:
    if args.probes:
        return f"probes {args.probes.name}"
    drawn = args.data_folder or args.data
    return f"up to {args.images} of the {args.split} split" if drawn else "probes of the folder"


def main(argv: list[str] | None = None) -> int:
    """Ask what has no row yet."""
    parser = _parser()
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    # TF32 rounds to 10 bits; what is called float32 should be.
    torch.backends.cudnn.allow_tf32 = False
    device, failures = _device(args.device, parser), 0
    try:
        read = _reader(args)
    except ValueError as error:
        parser.error(str(error))

    for peer in args.peer or PEERS:
        question = Question(peer, args.budget, _words(args), args.seed, device)

        def measure(path: Path, entry: Row, question: Question = question) -> Row | None:
            nonlocal failures
            LOG.info("%s: %s", path.name, question.peer)
            try:
                return question.ask(path, entry, read(entry["dataset"]))
            # Whatever is wrong with one model, the others of a long run are still asked.
            except Exception:
                LOG.exception("%s: no answer from %s", path.name, question.peer)
                failures += 1
                return None

        add_missing(args.folder, args.out, measure, args.only, question.kind())
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
