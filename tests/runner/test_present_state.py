"""The queue's figures are fresh or absent, and a database that hangs holds up nobody."""

import threading
from dataclasses import replace

from tests.runner.watching import FIGURES, Clock, bad_luck
from xray_gate.runner.present_state import RecentFigures
from xray_gate.scan.queue_figures import QueueFigures

LONG = 20.0


class Database:
    """Counts the questions; answers, fails, or hangs until it may go on."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self) -> QueueFigures:
        self.asked += 1
        assert self.may_go_on.wait(LONG)
        if self.error is not None:
            raise self.error
        return replace(FIGURES, waiting=self.asked)


def waiting(found: QueueFigures | None) -> int | None:
    return None if found is None else found.waiting


def test_the_database_is_asked_once_for_looks_that_follow_each_other() -> None:
    database, clock = Database(), Clock()
    figures = RecentFigures(database, every=3.0, patience=LONG, timer=clock)
    assert [waiting(figures()) for _ in range(5)] == [1] * 5
    clock.now += 4
    assert [waiting(figures()) for _ in range(5)] == [2] * 5
    assert database.asked == 2


def test_a_database_that_fails_gives_nothing_until_it_answers_again() -> None:
    database, clock = Database(), Clock()
    figures = RecentFigures(database, every=3.0, patience=LONG, timer=clock)
    assert waiting(figures()) == 1
    database.error = bad_luck()
    clock.now += 4
    assert (figures(), figures()) == (None, None)
    assert database.asked == 2
    database.error = None
    clock.now += 4
    assert waiting(figures()) == 3


def test_a_database_that_hangs_is_waited_for_by_one_thread_only() -> None:
    database, clock = Database(), Clock()
    figures = RecentFigures(database, every=3.0, patience=0.05, timer=clock)
    database.may_go_on.clear()
    for _ in range(5):
        assert figures() is None
        clock.now += 4
    assert database.asked == 1
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("xray-gate-queue-figures") == 1
    database.may_go_on.set()
    patient = RecentFigures(database, every=3.0, patience=LONG, timer=clock)
    assert waiting(patient()) == 2


def test_an_answer_that_came_after_all_is_shown_while_it_is_fresh() -> None:
    database, clock = Database(), Clock()
    figures = RecentFigures(database, every=3.0, patience=0.05, timer=clock)
    database.may_go_on.clear()
    assert figures() is None
    database.may_go_on.set()
    for thread in threading.enumerate():
        if thread.name == "xray-gate-queue-figures":
            thread.join(LONG)
    assert waiting(figures()) == 1
    assert database.asked == 1
