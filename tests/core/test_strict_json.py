import pytest

from xray_gate.core.strict_json import json_values, loads_strictly
from xray_gate.core.verdict import Verdict


def test_json_is_read_from_text_and_from_utf8() -> None:
    assert loads_strictly('{"a": [1, 2.5, null, "é"]}') == {"a": [1, 2.5, None, "é"]}
    assert loads_strictly('"é"'.encode()) == "é"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' stands there twice"),
        ('{"x": {"a": 1, "a": 2}}', "the key 'a' stands there twice"),
        ("NaN", "the number NaN is not finite"),
        ("-Infinity", "the number -Infinity is not finite"),
        ("1e999", "the number 1e999 is not finite"),
        ("9" * 5000, "digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("", "Expecting value"),
        (b"\xff", "utf-8"),
        ('"a"'.encode("utf-16"), "utf-8"),
    ],
)
def test_what_readers_may_read_differently_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        loads_strictly(text)


def test_values_become_those_of_json() -> None:
    odd = {Verdict.PASSED: ("a\udcff", {1: True}), "none": None}
    assert json_values(odd) == {"passed": ["a\\udcff", {"1": True}], "none": None}
