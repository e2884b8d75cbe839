import os
import sys
import time
from pathlib import Path

import pytest

from xray_gate.backends.process import ModelProcess
from xray_gate.core.errors import ModelProcessError
from xray_gate.scan.ports import ModelLimits

HEADER = "import os, struct, sys, time\n"


def start(tmp_path: Path, script: str, **limits: float) -> ModelProcess:
    bounds = ModelLimits(**({"seconds": 20.0} | limits))  # type: ignore[arg-type]
    command = [sys.executable, "-S", "-c", HEADER + script]
    return ModelProcess(command, {"PATH": os.defpath}, tmp_path, bounds)


def complaint(tmp_path: Path, script: str, *arrays: bytes, **limits: float) -> str:
    with start(tmp_path, script, **limits) as process:
        with pytest.raises(ModelProcessError) as caught:
            process.tell({"ask": "open"}, *arrays)
        with pytest.raises(ModelProcessError) as again:
            process.tell({"ask": "open"})
    assert str(again.value) == str(caught.value)
    assert caught.value.__cause__ is not caught.value
    return str(caught.value)


def test_an_answer_is_read_whole_though_it_comes_in_crumbs(tmp_path: Path) -> None:
    script = """
os.read(0, 1)
for byte in struct.pack(">I", 12) + b'{"labels":2}' + b"payload":
    os.write(1, bytes([byte]))
sys.stdin.read()
"""
    with start(tmp_path, script) as process:
        assert process.tell({"ask": "images"}) == {"labels": 2}
        assert process.take(7) == b"payload"


def test_an_exit_is_told_with_its_status_and_last_words(tmp_path: Path) -> None:
    words = complaint(tmp_path, "sys.stderr.write('x' * 9000 + '\\x1b[2J the end'); sys.exit(7)")
    assert "ended with exit status 7 before it answered" in words
    assert words.isprintable()
    assert "[2J the end" in words
    assert len(words) < 800


def test_a_fatal_signal_is_named(tmp_path: Path) -> None:
    assert "killed by SIGABRT" in complaint(tmp_path, "os.abort()")


@pytest.mark.parametrize("word", ["MemoryError", "terminate: what(): std::bad_alloc"])
def test_a_death_for_want_of_memory_names_the_limit(tmp_path: Path, word: str) -> None:
    words = complaint(tmp_path, f"os.write(2, b'{word}'); os.abort()", memory_bytes=2**30)
    assert "ran out of memory" in words
    assert "raise `limits.memory_mb` in the policy (now 1024)" in words


def test_resident_memory_is_watched(tmp_path: Path) -> None:
    script = "data = bytearray(200 * 2**20); time.sleep(60)"
    words = complaint(tmp_path, script, memory_bytes=100 * 2**20)
    assert "resident memory" in words
    assert "limits.memory_mb" in words


def test_the_memory_of_what_it_starts_is_watched_with_it(tmp_path: Path) -> None:
    script = "os.fork(); data = bytearray(70 * 2**20); time.sleep(60)"
    assert "resident memory" in complaint(tmp_path, script, memory_bytes=100 * 2**20)


def test_a_signal_is_named_though_another_process_tells_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-c", HEADER + "sys.exit(128 + 11)"]
    limits = ModelLimits(20.0)
    with (
        ModelProcess(command, {}, tmp_path, limits, relayed=True) as process,
        pytest.raises(ModelProcessError, match="killed by SIGSEGV"),
    ):
        process.tell({"ask": "open"})


@pytest.mark.parametrize(
    "script",
    [
        "time.sleep(60)",
        "os.read(0, 1); os.write(1, b'\\0'); time.sleep(60)",
        "while True: sys.stderr.write('flood' * 1000)",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep(60)",
    ],
)
def test_no_way_of_not_answering_outlasts_the_deadline(tmp_path: Path, script: str) -> None:
    begin = time.monotonic()
    words = complaint(tmp_path, script, bytes(2**22), seconds=0.4)
    assert "within 0.4 seconds; raise `limits.seconds`" in words
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "script",
    [
        "os.write(1, struct.pack('>I', 2**31)); time.sleep(60)",
        "os.write(1, struct.pack('>I', 4) + b'[[[['); time.sleep(60)",
    ],
)
def test_a_broken_answer_ends_the_process(tmp_path: Path, script: str) -> None:
    assert "broke the protocol" in complaint(tmp_path, script)


def test_what_comes_before_a_question_ends_the_process(tmp_path: Path) -> None:
    script = """
os.read(0, 1)
os.write(1, struct.pack(">I", 2) + b"{}" + b"more than the answer")
sys.stdin.read()
"""
    with start(tmp_path, script) as process:
        assert process.tell({"ask": "images"}) == {}
        with pytest.raises(ModelProcessError, match=r"broke the protocol: it sent more than"):
            process.tell({"ask": "images"})


def test_closed_pipes_of_a_living_process_are_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray_gate.backends.process._SECONDS_TO_DIE", 0.1)
    words = complaint(tmp_path, "os.close(0); os.close(1); os.close(2); time.sleep(60)")
    assert "closed its pipes before it answered" in words


def test_the_whole_group_ends_with_the_block(tmp_path: Path) -> None:
    script = """
os.read(0, 1)
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
os.write(1, struct.pack(">I", 2) + b"{}" + b"%10d" % child)
time.sleep(60)
"""
    with start(tmp_path, script) as process:
        process.tell({"ask": "open"})
        grandchild = int(process.take(10))
        assert Path(f"/proc/{grandchild}").exists()
    for _ in range(100):
        if not alive(grandchild):
            break
        time.sleep(0.02)
    assert not alive(grandchild)


def alive(number: int) -> bool:
    """Whether a process still runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
