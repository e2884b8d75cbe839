"""The lab: ``python -m benchmarks.lab COMMAND``.

``train`` makes models of a plan (``benchmarks.lab.train_command``), ``table`` says how well
detectors tell them apart (``benchmarks.lab.table.command``).
"""

from __future__ import annotations

import argparse
import logging
from typing import Protocol

from benchmarks.lab import train_command
from benchmarks.lab.table import command as table_command


class Command(Protocol):
    """A module with a command of the lab."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Run it; the exit status."""
        ...


COMMANDS: dict[str, tuple[Command, str]] = {
    "train": (train_command, "train what a plan asks for"),
    "table": (table_command, "figures of every detector on trained models"),
}


def main(argv: list[str] | None = None) -> int:
    """Run a command of the lab."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (command, does) in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=does))
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return COMMANDS[args.command][0].run(args)


if __name__ == "__main__":
    raise SystemExit(main())
