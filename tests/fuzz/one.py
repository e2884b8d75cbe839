"""Fuzzes one kind of input in this process, with atheris: `python -m tests.fuzz.one KIND ...`.

What follows the kind are a folder for the inputs that were found and libFuzzer's own options.
"""

import sys
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["xray_gate"]):
    from tests.fuzz.kinds import Fuzzed, kind

    # The readers are imported with the target, so that their branches are seen.
    KIND: Fuzzed = kind(sys.argv[1])


def main(corpus: Path, options: list[str]) -> None:
    """Write seeds and dictionary into `corpus`, and fuzz until libFuzzer ends the process."""
    # Here, since keys are made on the spot: another process would trust others.
    for name, seed in KIND.seeds().items():
        (corpus / f"seed-{name}").write_bytes(seed)
    dictionary = corpus.with_name("words.dict")
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in KIND.WORDS))
    arguments = [sys.argv[0], str(corpus), f"-dict={dictionary}", *options]
    atheris.Setup(arguments, KIND.target, custom_mutator=_mutated)
    atheris.Fuzz()


def _mutated(data: bytes, most: int, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    if not rng.integers(2):
        return bytes(atheris.Mutate(data, most))
    return KIND.mutate(bytes(data), lambda count: int(rng.integers(count)))[:most]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(Path(sys.argv[2]), sys.argv[3:])
