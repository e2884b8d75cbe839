"""Policies that are broken, each with what `policy check` says of it, word for word.

A file in `broken/` is a policy, the one beside it what is said. Messages are for people: when one
changes, read the new one before it replaces the old.
"""

import re
from pathlib import Path

import pytest

from xray_gate.core.errors import PolicyError
from xray_gate.policy.files import read_policy

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_what_is_wrong_is_named_with_file_line_key_and_remedy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(PolicyError) as caught:
        read_policy(Path(path.name))
    said = f"{caught.value}\n"
    assert said == path.with_suffix(".expected").read_text()
    for line in said.splitlines():
        assert re.match(rf"{re.escape(path.name)}:[1-9]\d*: \w", line)


def test_there_are_enough_of_them() -> None:
    assert len(BROKEN) >= 25
