"""How the command line logs: the one place that sets logging up.

Text comes from models and registrants, too. In either format it can neither begin a line of its own
nor steer a terminal, and a record that cannot be written as it is does not end the program.
"""

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

from xray_gate.cli.foreign import echo
from xray_gate.core.log_fields import bound_log_fields
from xray_gate.core.printable import printable, without_controls

LogFormat = Literal["text", "json"]

_LONGEST = 16_000
# MLflow gives these a handler of its own when it is imported, past everybody else's format.
_MLFLOW_SETS_UP = ("mlflow", "alembic", "sqlalchemy.engine", "huey")

_logger = logging.getLogger(__name__)


def set_up(verbose: bool) -> None:
    """Log to stderr as text: errors only, or with `verbose` more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines())
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[handler])


def set_up_json(verbose: bool) -> None:
    """From now on, log to stderr in JSON: our own progress, and warnings of others.

    To be called after MLflow was imported. Warnings, and errors that end a thread, become lines,
    too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("xray_gate").setLevel(logging.INFO)
    for name in _MLFLOW_SETS_UP:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread


def say(text: str, level: int = logging.ERROR) -> None:
    """A message for whoever started the command: a line on stderr in the format of the logs."""
    if _in_json():
        _logger.log(level, "%s", text)
    else:
        echo(text, err=True)


def say_bug(text: str) -> None:
    """The same, with the traceback of the exception that is being handled."""
    if _in_json():
        _logger.exception("%s", text)
    else:
        echo(f"{traceback.format_exc()}{text}", err=True)


class TextLines(logging.Formatter):
    """One line for each record, with the bound fields at its end; a traceback below, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        start = f"{self.formatTime(record)} {record.levelname} {record.name}"
        about = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        lines = [printable(f"{start}: {_message(record)}" + (f" [{about}]" if about else ""))]
        exception = _exception(self, record)
        if exception is not None:
            lines += [f"    {without_controls(line)}" for line in exception.split("\n")]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """One JSON object in one line for each record.

    `time` (RFC 3339, UTC), `level`, `logger` and `message`; what is bound by `log_fields`; `event`
    and facts about it, where the record has them; `exception` with the traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, in ASCII."""
        line: dict[str, Any] = {
            **_fields(record),
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        exception = _exception(self, record)
        if exception is not None:
            line["exception"] = exception
        order = ("time", "level", "logger", "event", "message")
        ordered = {name: line[name] for name in order if name in line} | line
        return json.dumps(ordered, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    facts = getattr(record, "facts", None)
    event = getattr(record, "event", None)
    named = {} if event is None else {"event": str(event)}
    return {**bound_log_fields(), **(facts if isinstance(facts, dict) else {}), **named}


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:
        text = f"{record.msg} (with arguments that do not fit)"
    return _shortened(text)


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    if record.exc_info and record.exc_info[0] is not None:
        return _shortened(formatter.formatException(record.exc_info))
    return None


def _shortened(text: str) -> str:
    # The end of a traceback says what went wrong.
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} [...] {text[-half:]}"


def _rfc3339(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_json() -> bool:
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.root.handlers)


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    name = "a thread" if ended.thread is None else ended.thread.name
    error = ended.exc_value
    if error is not None:
        _logger.error("%s ended with an error", name, exc_info=error)
