"""The fuzzer itself: it finds what is broken, says so, and ends non-zero."""

from pathlib import Path

import pytest

from tests.fuzz.kinds import NAMES, kind
from tests.fuzz.run import fuzz, hint, main


def test_a_hint_is_a_test_that_can_be_run(tmp_path: Path) -> None:
    given = hint("places", b"models:/a", tmp_path / "crash")
    names: dict[str, object] = {"kind": kind}
    exec(given, names)
    found = names["test_places_that_fuzzing_found"]
    assert callable(found)
    found()
    assert "read_bytes()" in hint("places", bytes(1000), tmp_path / "crash")


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["nothing"])


def test_every_module_of_targets_is_fuzzed() -> None:
    modules = {path.stem for path in (Path(__file__).parent / "targets").glob("[a-z]*.py")}
    assert modules == set(NAMES)


def test_a_sound_reader_is_fuzzed_to_the_end(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    result = fuzz("places", 2, tmp_path, seed=1)
    assert result.sound, result.said
    assert result.executions > 100
    assert result.coverage > 0


def test_a_broken_reader_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris")
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import xray_gate.signing.wire as wire\n"
        "real = wire.duration_of\n"
        "def broken(text):\n"
        "    return {}[text] if 'models:' in text else real(text)\n"
        "wire.duration_of = broken\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{site}:{Path(__file__).parents[2]}")
    result = fuzz("places", 30, tmp_path / "crashes", seed=1)
    assert not result.sound
    assert result.code != 0
    assert "KeyError" in result.said
    (crash,) = result.found
    assert b"models:" in crash.read_bytes()
