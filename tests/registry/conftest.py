from pathlib import Path

import pytest

from tests.support.gate import Gate


@pytest.fixture
def gate(database: str, tmp_path: Path, pytestconfig: pytest.Config) -> Gate:
    """The gate over an empty registry, with one policy, for `signs*`."""
    triggers = bool(pytestconfig.getoption("--with-triggers"))
    return Gate(database, tmp_path / "policies", triggers=triggers)
