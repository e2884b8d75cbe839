"""What `xray-gate doctor` asks: each answer is a line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from xray_gate.cli.finding import Finding, Outcome, finding
from xray_gate.cli.lenience import CHECKS as LENIENCE
from xray_gate.cli.lenience import lenience
from xray_gate.core.errors import PolicyError
from xray_gate.ledger.ledger import Ledger
from xray_gate.ledger.schema import newest_revision, revision
from xray_gate.ledger.tallies import Tallies, tallies
from xray_gate.ledger.triggers.installing import TriggerState, trigger_state
from xray_gate.ledger.triggers.trial import failed_trials
from xray_gate.ledger.unadmitted import unadmitted
from xray_gate.policy.files import PolicySet
from xray_gate.policy.matching import Undetermined
from xray_gate.registry.promotions import is_free
from xray_gate.registry.server_probe import ask_server
from xray_gate.registry.store_uri import database_uri
from xray_gate.scan.work import RUNNER_SILENT_AFTER, Promotion

_CONNECT_SECONDS = 10
_INSTALL = "run `xray-gate install`"


def examine(
    registry_uri: str, server: str | None, clock: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Ask everything that must hold; writes nothing that stays. `InputError` for another URI."""
    uri = sqlalchemy.make_url(database_uri(registry_uri))
    with _engine(uri) as engine:
        try:
            yield from _of_database(engine, uri, clock)
        except DBAPIError as error:
            text = f"stopped answering ({_first_line(error)}); use an account that may read it"
            yield Finding("database", Outcome.WRONG, text)
    if server is not None:
        why_not = ask_server(server).why_not
        text = "its registry answers through the gate" if why_not is None else why_not
        yield finding("server", why_not is None, f"{server}: {text}")


@contextmanager
def _engine(uri: sqlalchemy.URL) -> Iterator[Engine]:
    option = "timeout" if uri.get_backend_name() == "sqlite" else "connect_timeout"
    engine = sqlalchemy.create_engine(uri, connect_args={option: _CONNECT_SECONDS})
    try:
        yield engine
    finally:
        engine.dispose()


def _of_database(
    engine: Engine, uri: sqlalchemy.URL, clock: Callable[[], float]
) -> Iterator[Finding]:
    missing = _unreachable(engine, uri)
    shown = uri.render_as_string(hide_password=True)
    yield finding("database", missing is None, f"{shown}: {missing or 'can be reached'}")
    if missing is not None:
        return
    with engine.connect() as connection:
        schema = _schema(connection)
        yield schema
        if schema.outcome is not Outcome.OK:
            text = "not asked: the ledger's tables are not those of this release"
            checks = ("triggers", "trial", "runner", "queue", "promoted", *LENIENCE)
            for check in checks:
                yield Finding(check, Outcome.SKIPPED, text)
            return
        yield _triggers(connection)
    yield _trial(engine)
    with engine.connect() as connection:
        found = tallies(connection)
        yield _runner(found, clock())
        yield _queue(found, clock())
        yield _promoted(connection)
        yield from lenience(connection, _freedom(connection), clock())


def _unreachable(engine: Engine, uri: sqlalchemy.URL) -> str | None:
    """Why nothing can be asked, or None."""
    # SQLite would make the file.
    if uri.get_backend_name() == "sqlite" and not Path(uri.database or "").is_file():
        return "there is no such file; check --registry-uri"
    try:
        tables = sqlalchemy.inspect(engine).get_table_names()
    except SQLAlchemyError as error:
        return f"cannot be reached ({_first_line(error)}); check --registry-uri and the database"
    if "model_versions" not in tables:
        return "holds no registry of MLflow's; check --registry-uri, or start the server once"
    return None


def _schema(connection: Connection) -> Finding:
    there, wanted = revision(connection), newest_revision()
    text = f"the ledger's tables are those of this release ({wanted})"
    if there is None:
        text = f"the ledger has no tables; {_INSTALL}, or start the server with the gate"
    elif there != wanted:
        text = (
            f"the ledger's tables are {there}, not this release's {wanted}; run `xray-gate "
            "install` of the newer release"
        )
    return finding("schema", there == wanted, text)


def _triggers(connection: Connection) -> Finding:
    state = trigger_state(connection)
    text = {
        TriggerState.CURRENT: "are installed, and are those of this release",
        TriggerState.OTHER: f"are not those of this release, or were changed; {_INSTALL}",
        TriggerState.ABSENT: "are not installed, so a writer past the gate is not refused; "
        + _INSTALL,
    }[state]
    return finding("triggers", state is TriggerState.CURRENT, text)


def _trial(engine: Engine) -> Finding:
    try:
        problems = failed_trials(engine)
    except DBAPIError as error:
        return Finding(
            "trial",
            Outcome.WRONG,
            f"nothing could be tried ({_first_line(error)}); try with an account that may write",
        )
    if problems:
        text = f"the database let through what it must refuse; {_INSTALL}"
        return Finding("trial", Outcome.WRONG, text, problems)
    text = "promotions without an admission and changes of verdicts were tried, and refused"
    return Finding("trial", Outcome.OK, text)


def _runner(found: Tallies, now: float) -> Finding:
    if found.last_runner is None:
        text = "none has ever been seen; start `xray-gate runner`"
        return Finding("runner", Outcome.WRONG, text)
    silent = max(0.0, now - found.last_runner)
    well = silent <= RUNNER_SILENT_AFTER
    text = f"last seen {_duration(silent)} ago"
    return finding("runner", well, text if well else f"{text}; start `xray-gate runner`")


def _queue(found: Tallies, now: float) -> Finding:
    waits = "no version waits"
    if found.oldest is not None:
        since = _duration(max(0.0, now - found.oldest))
        waits = f"{found.waiting} version(s) wait, the oldest since {since}"
    text = f"{waits}; {found.unscannable} refused because they could not be scanned or decided"
    if found.given_up:
        text += f"; {found.given_up} given up by runners (`xray-gate status` lists them)"
    return Finding("queue", Outcome.OK, text)


def _promoted(connection: Connection) -> Finding:
    let_through = Ledger().promoted_by_break_glass(connection)
    # Those have a check of their own, until somebody has reviewed them.
    without = [
        replace(
            item,
            promotions=tuple(p for p in item.promotions if (item.key, p) not in let_through),
        )
        for item in unadmitted(connection, _freedom(connection))
    ]
    found = [item for item in without if item.is_ready or item.promotions]
    if not found:
        return Finding("promoted", Outcome.OK, "nothing is promoted without an admission")
    text = (
        f"{len(found)} version(s) are promoted without an admission: written before the gate, or "
        "past it; register them again, or take alias and stage away"
    )
    return Finding("promoted", Outcome.WRONG, text, [str(item) for item in found])


def _freedom(connection: Connection) -> Callable[[str, Promotion], bool]:
    """What the server's policies ask no verdict for; nothing, where there are none."""
    policies: PolicySet | None
    try:
        policies = Ledger().server_policies(connection)
    except PolicyError:
        policies = None

    def freely(name: str, promotion: Promotion) -> bool:
        if policies is None:
            return False
        try:
            found = [policy] if (policy := policies.match(name)) else []
        except Undetermined:
            found = policies.candidates(name)
        except PolicyError:
            # Two policies claim the name, so that the gate admits nothing of it either.
            return False
        return bool(found) and all(is_free(policy, promotion) for policy in found)

    return freely


def _first_line(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0]


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
