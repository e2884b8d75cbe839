"""One record, one line, whatever somebody put into it."""

import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from xray_gate.cli.logs import JsonLines, TextLines, say, say_bug, set_up, set_up_json
from xray_gate.core.log_fields import log_fields

HOSTILE = (
    'signs\n{"level": "INFO", "message": "forged"}\r\n2026-11-22 03:00:00,000 ERROR forged: x'
    "\x1b[2J\x1b]0;evil\x07\x7f\x9b31m\u2028\u202e\ud800"
)
_TOUCHED = ("", "xray_gate", "mlflow", "alembic", "sqlalchemy.engine", "huey", "py.warnings")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _TOUCHED]
    before = [(item.handlers[:], item.level, item.propagate) for item in loggers]
    hook = threading.excepthook
    yield
    logging.captureWarnings(False)
    threading.excepthook = hook
    for item, (handlers, level, propagate) in zip(loggers, before, strict=True):
        item.handlers, item.propagate = handlers, propagate
        item.setLevel(level)


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("xray_gate.test", logging.ERROR, "f.py", 1, message, arguments, None)
    made.created = 1_795_316_523.25
    made.__dict__.update(more)
    return made


def raised(error: Exception) -> Any:
    try:
        raise error
    except Exception:
        return sys.exc_info()


def read(text: str) -> list[dict[str, Any]]:
    """The objects of JSON lines; each must be one, in characters that steer no terminal."""
    lines = text.splitlines()
    assert text == "".join(f"{line}\n" for line in lines)
    assert all(line.isascii() and line.isprintable() for line in lines)
    return [json.loads(line) for line in lines]


def test_a_record_is_one_object_with_time_and_ids() -> None:
    with log_fields(version="signs/1", registration_id=7):
        line = JsonLines().format(
            record("scan of %s", "it", event="settled", facts={"verdict": "passed"})
        )
    assert json.loads(line) == {
        "time": "2026-11-22T03:02:03.250Z",
        "level": "ERROR",
        "logger": "xray_gate.test",
        "event": "settled",
        "message": "scan of it",
        "version": "signs/1",
        "registration_id": 7,
        "verdict": "passed",
    }
    assert list(json.loads(line))[:5] == ["time", "level", "logger", "event", "message"]


def test_what_a_model_says_stays_in_its_field() -> None:
    with log_fields(version=HOSTILE):
        line = JsonLines().format(record("%s", HOSTILE, exc_info=raised(ValueError(HOSTILE))))
    (found,) = read(f"{line}\n")
    assert (found["version"], found["message"]) == (HOSTILE, HOSTILE)
    assert found["exception"].endswith(f"ValueError: {HOSTILE}")
    assert found["level"] == "ERROR"


def test_a_bound_field_does_not_replace_what_the_record_says() -> None:
    with log_fields(level="DEBUG", time="never", message="nothing"):
        (found,) = read(JsonLines().format(record("oh")) + "\n")
    assert (found["level"], found["message"], found["time"][:4]) == ("ERROR", "oh", "2026")


def test_text_lines_cannot_be_forged_either() -> None:
    with log_fields(version=HOSTILE):
        text = TextLines().format(record("%s", HOSTILE, exc_info=raised(ValueError(HOSTILE))))
    first, *rest = text.split("\n")
    assert re.match(r"[\d-]+ [\d:,]+ ERROR xray_gate\.test: signs \{", first)
    assert first.isprintable()
    assert rest[0] == "    Traceback (most recent call last):"
    # Whatever it says, it stands to the right of where a record begins.
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_the_fields_end_a_line_of_text() -> None:
    with log_fields(version="signs/1", attempt=2):
        line = TextLines().format(record("oh", event="put_back"))
    assert line.endswith(" ERROR xray_gate.test: oh [version=signs/1 attempt=2 event=put_back]")


def test_a_record_that_cannot_be_written_is_a_line_all_the_same() -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    for made in (
        record("%d", "no number"),
        record("%s", Unprintable()),
        record("oh", facts={"thing": object(), "level": "INFO"}),
        record("oh", facts="none", event=3),
        record("oh", exc_info=(None, None, None)),
    ):
        (found,) = read(JsonLines().format(made) + "\n")
        assert found["level"] == "ERROR"
        assert "\n" not in TextLines().format(made)


def test_a_long_text_is_shortened_in_the_middle() -> None:
    error = raised(ValueError("a" * 10**6 + "the end"))
    (found,) = read(JsonLines().format(record("b" * 10**6, exc_info=error)) + "\n")
    assert len(found["message"]) < 20_000
    assert len(found["exception"]) < 20_000
    assert found["exception"].endswith("aaa" + "the end")


def test_json_is_for_everything_that_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(verbose=False)
    mlflows = logging.getLogger("mlflow")
    mlflows.handlers, mlflows.propagate = [logging.StreamHandler(sys.stderr)], False
    set_up_json(verbose=False)
    logging.getLogger("xray_gate.runner").info("ours")
    logging.getLogger("mlflow.store").warning("MLflow's")
    logging.getLogger("mlflow.store").info("MLflow's chatter")
    logging.getLogger("urllib3").info("chatter")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a warning\nof two lines", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name="a-thread")
    thread.start()
    thread.join()
    say("error: " + HOSTILE)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        say_bug("error: a bug")
    written = capsys.readouterr()
    assert written.out == ""
    found = read(written.err)
    assert [line["logger"] for line in found] == [
        *("xray_gate.runner", "mlflow.store", "py.warnings"),
        *["xray_gate.cli.logs"] * 3,
    ]
    assert "a warning\nof two lines" in found[2]["message"]
    assert found[3]["message"] == "a-thread ended with an error"
    assert "ZeroDivisionError" in found[3]["exception"]
    assert found[4]["message"] == "error: " + HOSTILE
    assert "ZeroDivisionError" in found[5]["exception"]


def test_text_is_for_errors_only_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    # pytest's own, without which nobody has set logging up.
    logging.root.handlers = []
    set_up(verbose=False)
    logging.getLogger("xray_gate.runner").warning("no error")
    logging.getLogger("xray_gate.runner").error("an error")
    assert capsys.readouterr().err.endswith(" ERROR xray_gate.runner: an error\n")
    logging.root.handlers = []
    set_up(verbose=True)
    logging.getLogger("xray_gate.runner").info("told")
    assert capsys.readouterr().err.endswith(" INFO xray_gate.runner: told\n")


def test_messages_stay_plain_where_the_logs_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(verbose=False)
    say("error: no file; give one")
    assert capsys.readouterr().err == "error: no file; give one\n"
