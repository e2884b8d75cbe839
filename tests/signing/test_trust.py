import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.signing.making import KEY, NOW, OTHER_KEY, days
from xray_gate.core.errors import InputError
from xray_gate.signing.trust import TrustedKey, read_trust, trust_text
from xray_gate.signing.wire import CLOCK_SKEW

KEYS = [TrustedKey(KEY.public, NOW, NOW + days(1)), TrustedKey(OTHER_KEY.public, NOW)]


def entry(**changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(trust_text(KEYS[:1]))["keys"][0]
    return {**read, **changes}


def document(*entries: Any, **changes: Any) -> str:
    return json.dumps({"format": "xray-gate/trust-v1", "keys": list(entries), **changes})


def test_a_trust_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text(trust_text(KEYS))
    read = read_trust(path)
    assert [*read] == [KEY.public.key_id, OTHER_KEY.public.key_id]
    assert [(key.valid_from, key.valid_until) for key in read.values()] == [
        (NOW, NOW + days(1)),
        (NOW, None),
    ]


def test_a_key_counts_for_its_time_and_a_little_for_clocks() -> None:
    key, second = KEYS[0], days(1 / 86_400)
    for inside in (NOW, NOW + days(1), NOW - CLOCK_SKEW, NOW + days(1) + CLOCK_SKEW):
        assert key.was_valid_at(inside)
    for outside in (NOW - CLOCK_SKEW - second, NOW + days(1) + CLOCK_SKEW + second):
        assert not key.was_valid_at(outside)
    assert KEYS[1].was_valid_at(NOW + days(10_000))
    forever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert TrustedKey(KEY.public, NOW, forever).was_valid_at(forever)


def test_a_public_key_by_itself_is_trusted_without_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "signing.pub"
    path.write_bytes(KEY.public.pem())
    (key,) = read_trust(path).values()
    assert key.was_valid_at(NOW - days(10_000))


def test_a_folder_is_all_its_trust_files_and_no_bare_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(trust_text(KEYS[:1]))
    (tmp_path / "b.json").write_text(trust_text(KEYS[1:]))
    # It would lift the limit that the trust file sets.
    (tmp_path / "signing.pub").write_bytes(KEY.public.pem())
    assert {key.valid_until for key in read_trust(tmp_path).values()} == {NOW + days(1), None}
    (tmp_path / "c.json").write_text(trust_text(KEYS[:1]))
    with pytest.raises(InputError, match=r"c\.json: the key .* is trusted twice; keep one"):
        read_trust(tmp_path)


def test_trust_in_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.json file; give the trust\.json"):
        read_trust(tmp_path)
    with pytest.raises(InputError, match="there is no such file; name the trust file"):
        read_trust(tmp_path / "gone.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        document(),
        document(entry(), format="xray-gate/trust-v2"),
        document(entry(), more=1),
        document(entry(more=1)),
        document(entry(key_id="0" * 64)),
        document(entry(key_id=KEY.public.key_id.upper())),
        document(entry(public_key=OTHER_KEY.public.pem().decode())),
        document(entry(public_key="")),
        document(entry(public_key="\udcff")),
        document(entry(public_key=entry()["public_key"] + "\n")),
        document(entry(valid_from="yesterday")),
        document(entry(valid_from="2026-11-22T08:30:00+00:00")),
        document(entry(valid_from="2026-2-2T08:30:00Z")),
        document(entry(valid_until=0)),
        document(entry(), entry()),
        "[" * 100_000,
        " " * (2**20 + 1),
    ],
)
def test_a_trust_file_that_is_odd_in_anything_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_trust(path)
