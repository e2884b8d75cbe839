from pathlib import Path

import pytest

from tests.support.gate import Gate


@pytest.fixture
def gate(database: str, tmp_path: Path) -> Gate:
    """The gate over an empty registry, with one policy, for `signs*`."""
    return Gate(database, tmp_path / "policies")
