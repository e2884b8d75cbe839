"""The database or the server is gone for a while."""

from collections.abc import Iterator

import pytest

from tests.faults.outages import (
    DATABASE_STEPS,
    LOCKED_STEPS,
    SERVER_STEPS,
    run_database_gone,
    run_database_locked,
    run_server_gone,
)
from tests.faults.selection import rest_is_slow
from tests.faults.site import FaultSite, fault_site
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def own_databases() -> Iterator[Databases]:
    """A PostgreSQL server that can be stopped without others noticing."""
    made = Databases(durable=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def on_postgres(
    own_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSite]:
    database = own_databases.create("postgresql")
    with fault_site(tmp_path_factory.mktemp("outages"), database) as site:
        yield site


@pytest.mark.slow
@pytest.mark.parametrize("step", DATABASE_STEPS)
def test_a_database_that_is_gone_for_a_while_loses_nothing(
    on_postgres: FaultSite, own_databases: Databases, step: str
) -> None:
    row = run_database_gone(on_postgres, own_databases.postgres, step)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.parametrize("step", rest_is_slow(LOCKED_STEPS, LOCKED_STEPS[1:]))
def test_a_database_that_is_locked_for_long_loses_nothing(site: FaultSite, step: str) -> None:
    row = run_database_locked(site, step)
    assert row.problems == ()
    assert row.state == "admitted"


@pytest.mark.slow
@pytest.mark.parametrize("step", SERVER_STEPS)
def test_a_server_that_is_gone_for_a_while_loses_nothing(site: FaultSite, step: str) -> None:
    row = run_server_gone(site, step, back=False)
    assert row.problems == ()
    assert row.state == "admitted"


def test_a_server_that_is_restarted_loses_nothing(site: FaultSite) -> None:
    row = run_server_gone(site, "publish: a score is logged", back=True)
    assert row.problems == ()
    assert row.state == "admitted"
    assert row.afterwards.endswith("report run FINISHED")
