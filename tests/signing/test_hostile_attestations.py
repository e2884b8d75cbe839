"""`verify` reads what an attacker wrote: nothing of it passes, and nothing crashes it."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.choosing import places
from tests.signing.making import KEY, NOW, Signed, sign, trusting
from xray_gate.core.errors import InputError
from xray_gate.signing.dsse import sealed
from xray_gate.signing.statement import EXTENSION
from xray_gate.signing.trust import read_trust, trust_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["PASSED", "passed", "0" * 64, KEY.public.key_id]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def signed() -> Iterator[Signed]:
    with TemporaryDirectory() as folder:
        yield sign(Path(folder))


def holds(signed: Signed, envelope: bytes) -> bool:
    with suppress(InputError):
        return signed.verified(envelope=envelope).holds
    return False


def statement(signed: Signed) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.b64decode(json.loads(signed.envelope)["payload"]))
    return read


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    copy = json.loads(json.dumps(value))
    if not path:
        return new
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copy


def test_no_byte_of_an_envelope_can_be_changed(signed: Signed) -> None:
    envelope = signed.envelope.encode()
    assert holds(signed, envelope)
    for place in range(len(envelope)):
        for flip in (1, 32, 128):
            mutated = bytearray(envelope)
            mutated[place] ^= flip
            assert not holds(signed, bytes(mutated)), mutated[place - 20 : place + 20]


def test_no_byte_of_the_statement_can_be_changed(signed: Signed) -> None:
    read = json.loads(signed.envelope)
    payload = base64.b64decode(read["payload"])
    for place in range(len(payload)):
        mutated = bytearray(payload)
        mutated[place] ^= 1
        text = base64.b64encode(mutated).decode()
        assert not holds(signed, json.dumps({**read, "payload": text}).encode())


def test_no_byte_of_a_trust_file_can_be_changed_for_another_key(
    signed: Signed, tmp_path: Path
) -> None:
    content = trust_text([*trusting(KEY).values()]).encode()
    path = tmp_path / "trust.json"
    for place in range(len(content)):
        mutated = bytearray(content)
        mutated[place] ^= 1
        path.write_bytes(mutated)
        with suppress(InputError):
            assert {*read_trust(path)} == {KEY.public.key_id}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_trust_files_with_any_value_in_any_place_trust_no_other_key(
    signed: Signed, data: Any
) -> None:
    read = json.loads(trust_text([*trusting(KEY, valid_from=NOW).values()]))
    path = data.draw(st.sampled_from([*places(read)]))
    file = signed.model.parent / "trust.json"
    file.write_text(json.dumps(changed(read, path, data.draw(JSON))))
    with suppress(InputError):
        assert {*read_trust(file)} == {KEY.public.key_id}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_pass(signed: Signed, envelope: bytes) -> None:
    assert not holds(signed, envelope)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_envelopes_with_any_value_in_any_place_never_pass(signed: Signed, data: Any) -> None:
    read = json.loads(signed.envelope)
    path = data.draw(st.sampled_from([*places(read)]))
    mutated = changed(read, path, data.draw(JSON))
    if mutated != read:
        assert not holds(signed, json.dumps(mutated).encode())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_signed_statements_with_any_value_in_any_place_never_crash(
    signed: Signed, data: Any
) -> None:
    """Even a trusted key's word is read strictly; what passes says so in its own fields."""
    read = statement(signed)
    path = data.draw(st.sampled_from([*places(read)]))
    mutated = changed(read, path, data.draw(JSON))
    if holds(signed, sealed(json.dumps(mutated).encode(), KEY).encode()):
        predicate = mutated["predicate"]
        assert predicate["verificationResult"] == "PASSED"
        assert predicate[EXTENSION]["verdict"] == "passed"
        assert mutated["subject"][0]["digest"] == read["subject"][0]["digest"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1"),
        (("predicateType",), "https://slsa.dev/verification_summary/v0.2"),
        (("subject",), []),
        (("subject", 0, "digest"), {}),
        (("subject", 0, "digest", "sha256"), "AB" * 32),
        (("subject", 0, "digest", "sha256"), "0" * 64 + "\n"),
        (("predicate", "verifier", "id"), "https://example.com/other"),
        (("predicate", "timeVerified"), "2026-11-22T08:30:00+01:00"),
        (("predicate", "timeVerified"), "9999-99-99T00:00:00Z"),
        (("predicate", "timeVerified"), 1.0),
        (("predicate", "verificationResult"), "FAILED"),
        (("predicate", "verificationResult"), "passed"),
        (("predicate", EXTENSION, "verdict"), "failed"),
        (("predicate", EXTENSION, "verdict"), "undecided"),
        (("predicate", EXTENSION), None),
        (("predicate",), "PASSED"),
    ],
)
def test_a_signed_statement_that_is_not_ours_is_unreadable(
    path: tuple[Any, ...], value: Any, signed: Signed
) -> None:
    mutated = changed(statement(signed), path, value)
    with pytest.raises(InputError, match="the attestation's statement is malformed: "):
        signed.verified(envelope=sealed(json.dumps(mutated).encode(), KEY).encode())


def test_a_listing_that_is_not_of_the_signed_digest_does_not_hold(signed: Signed) -> None:
    read = statement(signed)
    path = ("predicate", EXTENSION, "files", 0, "name")
    mutated = changed(read, path, "MLmodel2")
    assert not holds(signed, sealed(json.dumps(mutated).encode(), KEY).encode())


def test_without_a_listing_a_change_shows_by_the_digest(signed: Signed) -> None:
    mutated = changed(statement(signed), ("predicate", EXTENSION, "files"), None)
    envelope = sealed(json.dumps(mutated).encode(), KEY).encode()
    assert signed.verified(envelope=envelope).holds
    other = changed(mutated, ("subject", 0, "digest", "sha256"), "0" * 64)
    answer = signed.verified(envelope=sealed(json.dumps(other).encode(), KEY).encode(), now=NOW)
    assert [finding.text for finding in answer.findings] == [
        f"the bytes are not those that were signed (sha256:{'0' * 64})"
    ]
