"""A small file makes no reader take gigabytes or minutes: the table is in `bombs`."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.fuzz.bombs import BOMBS, Bomb

_LARGEST_FILE_MB = 40


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each; a reader that takes half a minute of computing time is killed."""
    command = [sys.executable, "-m", "tests.fuzz.bounded", str(tmp_path_factory.mktemp("bombs"))]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    read: dict[str, dict[str, Any]] = json.loads(ended.stdout)
    return read


@pytest.mark.parametrize("bomb", BOMBS, ids=[bomb.name for bomb in BOMBS])
def test_a_bomb_is_refused_within_bounds(bomb: Bomb, told: dict[str, dict[str, Any]]) -> None:
    found = told[bomb.name]
    assert found["ended"] == ("refused" if bomb.said else "read"), found["said"]
    assert re.search(bomb.said, found["said"])
    assert found["grown_mb"] < bomb.most_mb
    assert found["size_mb"] < _LARGEST_FILE_MB


def test_every_bomb_has_its_own_name() -> None:
    assert len({bomb.name for bomb in BOMBS}) == len(BOMBS)
