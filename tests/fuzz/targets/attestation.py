"""Signed verdicts, as `xray-gate verify` is given them."""

import json
from collections.abc import Mapping
from functools import cache

from tests.fuzz.choosing import Choose, changed_json
from tests.fuzz.scratch import folder
from tests.fuzz.telling import require
from tests.signing.making import KEY, OTHER_KEY, Signed, sign, trusting
from tests.support.evidence import backdoored
from xray_gate.core.errors import InputError
from xray_gate.core.strict_json import loads_strictly
from xray_gate.signing.dsse import PAYLOAD_TYPE

WORDS = (
    *(b'{"payload":"', b'"payloadType":"', PAYLOAD_TYPE.encode(), b'"signatures":[', b'"keyid":"'),
    *(b'"sig":"', KEY.public.key_id.encode(), b"==", b"\\ud800", b"\\u0000"),
)


@cache
def signed() -> Signed:
    """A model that passed."""
    return sign(folder("signed"))


def target(data: bytes) -> None:
    """Only what was signed verifies, written in whatever way JSON allows."""
    try:
        answer = signed().verified(envelope=data)
    except InputError as error:
        require(error, "attestation")
        return
    if answer.holds:
        read, true = loads_strictly(data), json.loads(signed().envelope)
        others = [one for one in read.pop("signatures") if one not in true["signatures"]]
        assert len(others) < 16
        true.pop("signatures")
        assert read == true


def seeds() -> Mapping[str, bytes]:
    """Passed, failed, by a key that nobody trusts, and by two."""
    envelope = signed().envelope
    other = sign(folder("other"), key=OTHER_KEY).envelope
    both = json.loads(envelope)
    both["signatures"] += json.loads(other)["signatures"]
    return {
        "passed": envelope.encode(),
        "failed": sign(folder("failed"), backdoored()).envelope.encode(),
        "other": other.encode(),
        "both": json.dumps(both).encode(),
        "spaced": json.dumps(json.loads(envelope), indent=1).encode(),
    }


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree."""
    return changed_json(data, choose, (PAYLOAD_TYPE, *trusting(KEY)))
