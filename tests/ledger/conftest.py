from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy import Engine

from xray_gate.ledger.schema import upgrade


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A database with the ledger's tables."""
    made = sqlalchemy.create_engine(database)
    upgrade(made)
    yield made
    made.dispose()
