"""Fuzzes kinds of input one after the other: `python -m tests.fuzz.run --seconds 60 [KIND ...]`.

Ends non-zero where a reader crashed, hung, took too much memory, or let garbage pass.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.kinds import NAMES
from tests.fuzz.scratch import temporary

_MEMORY_MB = 2048
_SECONDS_AN_INPUT = 25
_LONGEST_INPUT = 2**16
# What it takes to import, to make seeds and to end, besides.
_SECONDS_MORE = 300
_SHOWN = 400


@dataclass(frozen=True)
class Result:
    """What became of one kind; `found` are the files of inputs that a reader did not stand."""

    name: str
    executions: int
    seconds: int
    coverage: int
    features: int
    found: tuple[Path, ...]
    code: int
    said: str

    @property
    def sound(self) -> bool:
        """Whether it ran to its end, and nothing was found."""
        return self.code == 0 and not self.found and self.executions > 0


def fuzz(name: str, seconds: int, crashes: Path, seed: int) -> Result:
    """Fuzz one kind for `seconds`, in a process of its own; its crashes are left in `crashes`."""
    crashes.mkdir(parents=True, exist_ok=True)
    before = {*crashes.iterdir()}
    with temporary() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        command = [
            *(sys.executable, "-m", "tests.fuzz.one", name, str(corpus)),
            *(f"-max_total_time={seconds}", f"-rss_limit_mb={_MEMORY_MB}", f"-seed={seed}"),
            *(f"-timeout={_SECONDS_AN_INPUT}", f"-max_len={_LONGEST_INPUT}"),
            *(f"-artifact_prefix={crashes}/{name}-", "-print_final_stats=1"),
        ]
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            # libFuzzer ends the process without any tidying up.
            env={**os.environ, "TMPDIR": folder},
            timeout=seconds + _SECONDS_MORE,
        )
    said = ended.stdout
    status = re.findall(r"cov: (\d+) ft: (\d+)", said)
    coverage, features = map(int, status[-1]) if status else (0, 0)
    executions = re.search(r"stat::number_of_executed_units: (\d+)", said)
    done = re.search(r"Done \d+ runs in (\d+) second", said)
    return Result(
        name,
        int(executions[1]) if executions else 0,
        int(done[1]) if done else 0,
        coverage,
        features,
        tuple(sorted({*crashes.iterdir()} - before)),
        ended.returncode,
        said,
    )


def hint(name: str, data: bytes, path: Path) -> str:
    """A regression test, ready to be put into tests/fuzz/test_found.py."""
    given = repr(data) if len(data) <= _SHOWN else f"Path({str(path)!r}).read_bytes()"
    return (
        f"# Put what this is about into its name, and shorten the input.\n"
        f"def test_{name}_that_fuzzing_found() -> None:\n"
        f"    kind({name!r}).target({given})\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz what the command line names; 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *NAMES], help="all of them by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", type=Path, default=Path(".fuzz"))
    given = parser.parse_args(arguments)
    print("| kind | executions | seconds | coverage | features | found |")
    print("|---|---|---|---|---|---|", flush=True)
    results = []
    for name in given.kinds or NAMES:
        result = fuzz(name, given.seconds, given.crashes.absolute(), given.seed)
        results.append(result)
        found = ", ".join(path.name for path in result.found) or ("" if result.sound else "broken")
        print(
            f"| {name} | {result.executions:,} | {result.seconds} | {result.coverage} | "
            f"{result.features} | {found or 'nothing'} |",
            flush=True,
        )
        if not result.sound:
            print(result.said[-6000:], file=sys.stderr)
        for path in result.found:
            print(f"{path}:\n{hint(name, path.read_bytes(), path)}", file=sys.stderr)
    return 0 if all(result.sound for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
