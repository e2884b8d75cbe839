"""Fixtures: databases that hold MLflow's tables, on SQLite and on PostgreSQL.

MLflow's migrations take seconds, so they run once for each kind; every test gets a copy.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import PostgresServer, postgres_server, programs

KINDS = ("sqlite", "postgresql")
_NO_POSTGRES = "PostgreSQL's programs (initdb, postgres) are not installed"


def dispose(uri: str) -> None:
    """Close the connections that MLflow keeps for ever to every database that it has seen."""
    # Imported late: MLflow takes seconds, and most tests do without.
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map.pop(uri, None)
    if engine is not None:
        engine.dispose()


class Databases:
    """Makes databases; `close` stops what had to be started.

    `durable`: what was committed survives a stop of PostgreSQL.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._stack = ExitStack()
        self._folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="xray-gate-databases-"))
        )
        self._numbers = itertools.count()
        self._sqlite_template: Path | None = None
        self._server: PostgresServer | None = None

    def create(self, kind: str) -> str:
        """The SQLAlchemy URI of a fresh database with MLflow's tables, without the gate's."""
        name = f"test_{next(self._numbers)}"
        return self._new_sqlite(name) if kind == "sqlite" else self._new_postgres(name)

    def drop(self, uri: str) -> None:
        """Remove a database that `create` made."""
        dispose(uri)
        place, name = uri.rsplit("/", 1)
        if place.startswith("sqlite"):
            Path(uri.removeprefix("sqlite:///")).unlink(missing_ok=True)
        else:
            # Connections of a server that was killed may still be open.
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def postgres(self) -> PostgresServer:
        """The server of those databases that are PostgreSQL's."""
        assert self._server is not None, "no database was made on PostgreSQL"
        return self._server

    def close(self) -> None:
        """Stop the server and remove the files."""
        self._stack.close()

    def _new_sqlite(self, name: str) -> str:
        if self._sqlite_template is None:
            self._sqlite_template = self._folder / "template.db"
            _migrate(f"sqlite:///{self._sqlite_template}")
        copy = self._folder / f"{name}.db"
        shutil.copyfile(self._sqlite_template, copy)
        return f"sqlite:///{copy}"

    def _new_postgres(self, name: str) -> str:
        if self._server is None:
            binaries = programs()
            if binaries is None:
                pytest.skip(_NO_POSTGRES)
            running = postgres_server(binaries, durable=self._durable)
            self._server = self._stack.enter_context(running)
            self._admin("CREATE DATABASE template_mlflow")
            _migrate(self._uri("template_mlflow"))
        self._admin(f"CREATE DATABASE {name} TEMPLATE template_mlflow")
        return self._uri(name)

    def _uri(self, name: str) -> str:
        return f"postgresql+psycopg://{self.postgres.address}/{name}"

    def _admin(self, statement: str) -> None:
        with psycopg.connect(
            f"postgresql://{self.postgres.address}/postgres", autocommit=True
        ) as link:
            link.execute(statement.encode())


def _migrate(uri: str) -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri)
    # PostgreSQL copies only databases that nobody is connected to.
    dispose(uri)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    made = Databases()
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """The URI of an empty registry's database: SQLite, then PostgreSQL."""
    uri = databases.create(request.param)
    yield uri
    databases.drop(uri)


@pytest.fixture
def sqlite_database(databases: Databases) -> Iterator[str]:
    uri = databases.create("sqlite")
    yield uri
    databases.drop(uri)


@pytest.fixture
def postgres_database(databases: Databases) -> Iterator[str]:
    uri = databases.create("postgresql")
    yield uri
    databases.drop(uri)
