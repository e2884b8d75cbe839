import json

from xray_gate.core.printable import printable


def test_printable_is_one_line_without_control_characters() -> None:
    assert printable("a\x1b]0;evil\x07b\r\n\tc\u202ed") == "a ]0;evil b c d"
    assert json.dumps(printable("\ud800x")) == '"x"'
