import contextvars
import threading
from collections.abc import Mapping

import pytest

from xray_gate.core.log_fields import bound_log_fields, log_fields


def test_fields_are_bound_for_the_context_and_inner_ones_come_on_top() -> None:
    with log_fields(version="signs/1", attempt=1):
        with log_fields(attempt=2, scan_id="a"):
            assert bound_log_fields() == {"version": "signs/1", "attempt": 2, "scan_id": "a"}
        assert bound_log_fields() == {"version": "signs/1", "attempt": 1}
    assert bound_log_fields() == {}


def test_an_error_unbinds_them() -> None:
    with pytest.raises(ZeroDivisionError), log_fields(version="signs/1"):
        raise ZeroDivisionError
    assert bound_log_fields() == {}


def test_a_thread_has_them_in_a_copied_context_only() -> None:
    seen: list[Mapping[str, str | int]] = []

    def look() -> None:
        seen.append(bound_log_fields())

    with log_fields(version="signs/1"):
        context = contextvars.copy_context()
        for target in (look, lambda: context.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [{}, {"version": "signs/1"}]
