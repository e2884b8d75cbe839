"""The kinds of input that are fuzzed, each in a module of `targets`."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from tests.fuzz.choosing import Choose


class Fuzzed(Protocol):
    """What such a module holds; `WORDS` are tokens of the format."""

    WORDS: Sequence[bytes]

    @staticmethod
    def target(data: bytes) -> None:
        """Feed `data` to the reader.

        Only the errors that the reader documents are kept; AssertionError where garbage counts
        as a pass.
        """

    @staticmethod
    def seeds() -> Mapping[str, bytes]:
        """Real inputs, made on the spot."""

    @staticmethod
    def mutate(data: bytes, choose: Choose) -> bytes:
        """Another input, below the outer shell of the format."""


NAMES = (
    "policy",
    "exception",
    "calibration",
    "evidence",
    "probes_npz",
    "probes_parquet",
    "images",
    "triggers",
    "report",
    "child",
    "attestation",
    "statement",
    "trust",
    "keys",
    "model_files",
    "mlmodel",
    "places",
)


def kind(name: str) -> Fuzzed:
    """The module for one of `NAMES`."""
    return cast(Fuzzed, import_module(f"tests.fuzz.targets.{name}"))
