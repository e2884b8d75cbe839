from collections.abc import Iterator

import pytest

from tests.faults.site import FaultSite, fault_site
from tests.support.databases import Databases


@pytest.fixture(scope="session")
def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultSite]:
    """A registry on SQLite, which these tests share."""
    yield from _site(databases, tmp_path_factory, "sqlite")


@pytest.fixture(scope="session")
def postgres_site(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSite]:
    """The same on PostgreSQL."""
    yield from _site(databases, tmp_path_factory, "postgresql")


def _site(databases: Databases, folders: pytest.TempPathFactory, kind: str) -> Iterator[FaultSite]:
    database = databases.create(kind)
    with fault_site(folders.mktemp(f"faults-{kind}"), database) as made:
        yield made
    databases.drop(database)
