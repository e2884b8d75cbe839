"""Whatever the bytes: no reader crashes, and nothing passes. `make fuzz` looks for longer."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import reading
from tests.fuzz.choosing import changed_bytes
from tests.fuzz.kinds import NAMES, kind
from tests.signing import making
from xray_gate.backends import isolation
from xray_gate.core.verdict import Verdict, undecided
from xray_gate.signing import keys
from xray_gate.static_checks.pickles import files as pickle_files

bounded = settings(derandomize=True, database=None, max_examples=60, deadline=None)

# What of a target's module, or of another, reads its input.
READERS: dict[str, tuple[Any, str]] = {
    "policy": (None, "read_policy"),
    "exception": (None, "read_policies"),
    "calibration": (None, "read_calibration"),
    "evidence": (None, "decide"),
    "probes_npz": (reading, "read_probes"),
    "probes_parquet": (reading, "open_training_data"),
    "images": (None, "decode_image"),
    "triggers": (None, "read_trigger"),
    "report": (None, "read_report"),
    "child": (None, "IsolatedModel"),
    "attestation": (making, "verify"),
    "statement": (making, "verify"),
    "trust": (None, "read_trust"),
    "keys": (None, "read_signing_key"),
    "model_files": (None, "check_files"),
    "mlmodel": (None, "find_source"),
    "places": (None, "served_place"),
}


def reader(name: str) -> tuple[Any, str]:
    module, attribute = READERS[name]
    return kind(name) if module is None else module, attribute


@pytest.mark.parametrize("name", NAMES)
def test_real_inputs_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose reader refuses even these would find nothing."""
    module, attribute = reader(name)
    real = getattr(module, attribute)
    seen: Counter[str] = Counter()

    def watched(*arguments: Any, **named: Any) -> Any:
        seen["asked"] += 1
        found = real(*arguments, **named)
        seen["answered"] += 1
        return found

    monkeypatch.setattr(module, attribute, watched)
    for seed in kind(name).seeds().values():
        kind(name).target(seed)
    assert seen["asked"] >= len(kind(name).seeds())
    assert seen["answered"]


@pytest.mark.parametrize("name", NAMES)
def test_an_error_that_nobody_promised_is_a_finding(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    seed = next(iter(kind(name).seeds().values()))
    monkeypatch.setattr(*reader(name), breaks)
    with pytest.raises(ZeroDivisionError):
        kind(name).target(seed)


@pytest.mark.parametrize("name", NAMES)
def test_mutated_inputs_crash_no_reader_and_pass_nothing(name: str) -> None:
    fuzzed = kind(name)
    seeds = sorted(fuzzed.seeds().items())

    @bounded
    @given(st.data())
    def read(data: st.DataObject) -> None:
        _, given_bytes = data.draw(st.sampled_from(seeds))

        def choose(count: int) -> int:
            return data.draw(st.integers(0, count - 1))

        for _ in range(1 + choose(3)):
            given_bytes = fuzzed.mutate(given_bytes, choose)
        fuzzed.target(given_bytes)

    read()


@pytest.mark.parametrize("name", NAMES)
def test_random_bytes_crash_no_reader_and_pass_nothing(name: str) -> None:
    words = st.sampled_from([*kind(name).WORDS])

    @bounded
    @given(st.lists(st.binary(max_size=20) | words, max_size=8).map(b"".join))
    def read(data: bytes) -> None:
        kind(name).target(data)

    read()


def test_a_policy_that_passes_without_evidence_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy: Any = kind("policy")
    passed = undecided("a test")
    object.__setattr__(passed, "verdict", Verdict.PASSED)
    monkeypatch.setattr(policy, "decide", lambda *_: passed)
    with pytest.raises(AssertionError):
        policy.target(policy.seeds()["default"])


def test_a_signature_that_is_not_checked_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    attestation = kind("attestation")
    seed = attestation.seeds()["passed"]
    monkeypatch.setattr(keys.PublicKey, "verifies", lambda *_: True)
    chosen = iter([*range(10_000)])
    found = 0
    for _ in range(300):
        try:
            attestation.target(changed_bytes(seed, lambda count: next(chosen) * 7919 % count))
        except AssertionError:
            found += 1
    assert found


def test_answers_that_are_not_checked_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    child: Any = kind("child")
    frames = child.split(child.seeds()["honest"])
    frames[1] = frames[1][:-8] + b"\xff" * 8
    child.target(child.joined(frames))
    monkeypatch.setattr(isolation, "parse_labels", lambda payload, _: np.frombuffer(payload, "<i8"))
    with pytest.raises(AssertionError):
        child.target(child.joined(frames))


def test_imports_that_are_not_judged_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    model_files = kind("model_files")
    hostile = model_files.seeds()["m.pkl"]
    model_files.target(hostile)
    monkeypatch.setattr(pickle_files, "_judge", lambda *_, **__: None)
    with pytest.raises(AssertionError, match="exec"):
        model_files.target(hostile)
