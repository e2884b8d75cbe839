"""Reads every bomb in a process of its own, and tells what came of it: `python -m ... FOLDER`.

In one helper for all of them, as importing takes longer than most of the reading.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from tests.fuzz.bombs import BOMBS, Bomb
from xray_gate.core.errors import XrayGateError

# So that a reader without bounds ends itself and not the machine.
_MOST_BYTES = 8 * 2**30
_MOST_CPU_SECONDS = 30


def main(folder: Path) -> None:
    """Print a JSON object: name to how it ended, what was said, and growth in MiB."""
    told: dict[str, dict[str, Any]] = {}
    for number, bomb in enumerate(BOMBS):
        path = folder / str(number) / bomb.file
        path.parent.mkdir()
        path.write_bytes(bomb.build())
        told[bomb.name] = {"size_mb": path.stat().st_size / 2**20, **_read_apart(bomb, path)}
        path.unlink()
    print(json.dumps(told))  # noqa: T201


def _read_apart(bomb: Bomb, path: Path) -> dict[str, Any]:
    back, answers = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(back)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_SECONDS, _MOST_CPU_SECONDS))
        os.write(answers, json.dumps(_read(bomb, path)).encode())
        os._exit(0)
    os.close(answers)
    with os.fdopen(back, "rb") as file:
        text = file.read()
    status = os.waitpid(process, 0)[1]
    answer: dict[str, Any] = json.loads(text) if text else {"ended": "killed", "said": str(status)}
    return answer


def _read(bomb: Bomb, path: Path) -> dict[str, Any]:
    before = _peak()
    try:
        ended, said = "read", repr(bomb.read(path))
    except XrayGateError as error:
        ended, said = "refused", str(error)
    except BaseException as error:
        ended, said = "crashed", f"{type(error).__name__}: {error}"
    return {"ended": ended, "said": said[:20_000], "grown_mb": (_peak() - before) / 2**10}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(Path(sys.argv[1]))
