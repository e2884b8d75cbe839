import base64
import json
from typing import Any

import pytest

from tests.signing.making import KEY, OTHER_KEY
from xray_gate.core.errors import InputError
from xray_gate.signing.dsse import PAYLOAD_TYPE, _encoded, opened, sealed

KEYS = {KEY.public.key_id: KEY.public}
PAYLOAD = b'{"a": 1}'


def envelope(**changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(sealed(PAYLOAD, KEY))
    return {**read, **changes}


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_what_is_signed_is_dsses_own_encoding() -> None:
    """The example of DSSE's protocol.md."""
    wanted = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert _encoded("http://example.com/HelloWorld", b"hello world") == wanted


def test_an_envelope_has_dsses_fields_and_no_white_space() -> None:
    signed = sealed(PAYLOAD, KEY)
    read = json.loads(signed)
    assert base64.b64decode(read["payload"]) == PAYLOAD
    assert read["payloadType"] == "application/vnd.in-toto+json"
    assert [item["keyid"] for item in read["signatures"]] == [KEY.public.key_id]
    assert not any(char.isspace() for char in signed)


def test_a_signature_holds_by_its_own_key_only() -> None:
    signed = sealed(PAYLOAD, KEY).encode()
    assert opened(signed, KEYS).payload == PAYLOAD
    assert opened(signed, KEYS).key_ids == (KEY.public.key_id,)
    assert opened(signed, {}).key_ids == ()
    # A key that answers to the id of another.
    assert opened(signed, {KEY.public.key_id: OTHER_KEY.public}).key_ids == ()


def test_of_several_signatures_those_that_hold_are_named() -> None:
    mine, theirs = envelope()["signatures"], json.loads(sealed(PAYLOAD, OTHER_KEY))["signatures"]
    both = text(envelope(signatures=[*theirs, *mine]))
    assert opened(both, KEYS).key_ids == (KEY.public.key_id,)
    all_keys = {**KEYS, OTHER_KEY.public.key_id: OTHER_KEY.public}
    assert set(opened(both, all_keys).key_ids) == set(all_keys)
    swapped = [{**theirs[0], "sig": mine[0]["sig"]}, {**mine[0], "sig": theirs[0]["sig"]}]
    assert opened(text(envelope(signatures=swapped)), all_keys).key_ids == ()


def test_without_signatures_nobody_signed() -> None:
    assert opened(text(envelope(signatures=[])), KEYS).key_ids == ()


def test_the_type_is_signed_too() -> None:
    other = text(envelope(payloadType="application/json"))
    with pytest.raises(InputError, match="holds 'application/json'; give one with"):
        opened(other, KEYS)
    assert PAYLOAD_TYPE not in other.decode()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"{" * 100_000,
        b'{"payload": 1e999}',
        b'{"payload": ' + b"9" * 5000 + b"}",
        b'{"payload": "", "payload": ""}',
        text(envelope(more=1)),
        text(envelope(payload=1)),
        text(envelope(payload="?")),
        text(envelope(payload="YQ")),
        text(envelope(payload="YQ==\n")),
        text(envelope(payload="YR==")),
        text(envelope(payload="\u00e9")),
        text(envelope(payload="\udcff")),
        text(envelope(signatures={})),
        text(envelope(signatures=[{"sig": "YQ=="}])),
        text(envelope(signatures=[{"keyid": "", "sig": "YQ=="}] * 17)),
        text({"payload": "YQ=="}),
    ],
)
def test_what_is_no_envelope_is_refused(broken: bytes) -> None:
    with pytest.raises(InputError, match=r"the attestation is .*; give it unchanged"):
        opened(broken, KEYS)
