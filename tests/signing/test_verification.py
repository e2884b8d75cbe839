import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.signing.making import (
    FILES,
    KEY,
    NOW,
    OTHER_KEY,
    Signed,
    days,
    sign,
    trusting,
    write_model,
)
from tests.support.evidence import backdoored, unscannable
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import Evidence
from xray_gate.signing.key_folder import new_key, read_signing_key, rotate_key
from xray_gate.signing.keys import SigningKey
from xray_gate.signing.trust import read_trust
from xray_gate.signing.verification import Expected, Fault, Verification

SECOND = timedelta(seconds=1)


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return sign(tmp_path)


def faults(answer: Verification) -> list[tuple[Fault, str]]:
    assert not answer.holds
    return [(finding.fault, finding.text) for finding in answer.findings]


def test_what_was_signed_and_passed_holds(signed: Signed) -> None:
    answer = signed.verified()
    assert answer.holds
    assert answer.key_id == KEY.public.key_id
    assert signed.verified(
        expected=Expected([signed.policy.digest], "models:/signs/1", days(1))
    ).holds


def test_a_copy_of_the_model_is_the_same_model(signed: Signed, tmp_path: Path) -> None:
    """A registered model's copy has the attestation of the version that was scanned."""
    assert signed.verified(model=write_model(tmp_path / "copy")).holds


def test_a_single_file_is_verified_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"weights")
    (tmp_path / "b.onnx").write_bytes(b"weights")
    signed = sign(tmp_path, model=tmp_path / "a.onnx")
    assert signed.verified().holds
    assert signed.verified(model=tmp_path / "b.onnx").holds
    (tmp_path / "b.onnx").write_bytes(b"Weights")
    assert faults(signed.verified(model=tmp_path / "b.onnx")) == [(Fault.MISMATCH, "changed: .")]


def test_what_mlflows_download_adds_is_no_change(signed: Signed) -> None:
    (signed.model / "registered_model_meta").write_text("model_name: signs\n")
    assert signed.verified().holds
    (signed.model / "data" / "registered_model_meta").write_text("model_name: signs\n")
    assert faults(signed.verified()) == [(Fault.MISMATCH, "added: data/registered_model_meta")]


def test_every_changed_byte_of_every_file_is_found_and_its_file_named(signed: Signed) -> None:
    for name, content in FILES.items():
        path = signed.model / name
        for place in range(len(content)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            assert faults(signed.verified()) == [(Fault.MISMATCH, f"changed: {name}")]
        path.write_bytes(content + b"\x00")
        assert faults(signed.verified()) == [(Fault.MISMATCH, f"changed: {name}")]
        path.write_bytes(content)
    assert signed.verified().holds


def test_files_that_were_changed_added_or_taken_away_are_named(signed: Signed) -> None:
    (signed.model / "MLmodel").write_bytes(b"other")
    (signed.model / "empty").unlink()
    for number in range(7):
        (signed.model / f"code_{number}.py").write_bytes(b"")
    assert [text for _, text in faults(signed.verified())] == [
        "changed: MLmodel",
        "added: code_0.py, code_1.py, code_2.py, code_3.py, code_4.py and 2 more",
        "missing: empty",
    ]


def link(model: Path) -> None:
    (model / "link").symlink_to(model / "MLmodel")


def pipe(model: Path) -> None:
    os.mkfifo(model / "pipe")


@pytest.mark.parametrize("add", [link, pipe])
def test_what_is_no_plain_file_does_not_hold(add: Callable[[Path], None], signed: Signed) -> None:
    add(signed.model)
    ((fault, _),) = faults(signed.verified())
    assert fault is Fault.MISMATCH


def test_a_file_and_a_folder_are_not_the_same(signed: Signed, tmp_path: Path) -> None:
    said = faults(signed.verified(model=signed.model / "MLmodel"))
    assert said == [(Fault.MISMATCH, "a folder was signed, this is a file")]
    other = sign(tmp_path, model=signed.model / "MLmodel")
    said = faults(other.verified(model=signed.model))
    assert said == [(Fault.MISMATCH, "a file was signed, this is a folder")]


def test_a_model_that_is_not_there_cannot_be_read(signed: Signed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file or folder"):
        signed.verified(model=tmp_path / "gone")


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
@pytest.mark.parametrize(
    ("evidence", "verdict"), [(backdoored(), "failed"), (unscannable(), "undecided")]
)
def test_what_did_not_pass_does_not_hold_whatever_the_mode(
    evidence: Evidence, verdict: str, mode: str, tmp_path: Path
) -> None:
    ((fault, text),) = faults(sign(tmp_path, evidence, enforcement=mode).verified())
    assert fault is Fault.MISMATCH
    assert text.startswith(f"the verdict is {verdict}: ")


def test_another_policy_or_name_does_not_hold(signed: Signed) -> None:
    expected = Expected(["sha256:" + "0" * 64], "models:/signs/2")
    assert faults(signed.verified(expected=expected)) == [
        (
            Fault.MISMATCH,
            f"another policy decided: pkg:pypi/xray-gate#policy/images ({signed.policy.digest})",
        ),
        (Fault.MISMATCH, "it is about models:/signs/1, not models:/signs/2"),
    ]


def test_an_old_verdict_does_not_hold_where_an_age_is_asked(signed: Signed) -> None:
    expected = Expected(max_age=days(30))
    assert signed.verified(expected=expected, now=NOW + days(30)).holds
    late = NOW + days(30) + SECOND
    assert faults(signed.verified(expected=expected, now=late)) == [
        (Fault.OLD, "it was signed at 2026-11-22T08:30:00Z, which is too long ago")
    ]
    assert signed.verified(now=late).holds


def test_a_verdict_from_the_future_does_not_hold(signed: Signed) -> None:
    assert signed.verified(now=NOW - timedelta(minutes=5)).holds
    said = faults(signed.verified(now=NOW - timedelta(minutes=5) - SECOND))
    assert said == [(Fault.OLD, "it was signed at 2026-11-22T08:30:00Z, which is not yet")]


def test_bytes_are_looked_at_even_where_a_verdict_is_old(signed: Signed) -> None:
    (signed.model / "empty").write_bytes(b"no more")
    answer = signed.verified(expected=Expected(max_age=days(1)), now=NOW + days(2))
    assert [fault for fault, _ in faults(answer)] == [Fault.OLD, Fault.MISMATCH]


def test_without_a_trusted_key_nothing_is_believed(signed: Signed) -> None:
    for trust in ({}, trusting(OTHER_KEY)):
        answer = signed.verified(trust=trust, model=Path("gone"))
        assert faults(answer) == [
            (Fault.UNSIGNED, "no trusted key has signed it, or it was changed afterwards")
        ]
        assert (answer.statement, answer.key_id) == (None, None)


def test_a_key_counts_only_for_its_own_time(signed: Signed) -> None:
    hour = timedelta(hours=1)
    for limits in ({"valid_from": NOW + hour}, {"valid_until": NOW - hour}):
        ((fault, text),) = faults(signed.verified(trust=trusting(KEY, **limits)))
        assert fault is Fault.UNSIGNED
        assert text == (
            f"the key {KEY.public.key_id} was not to be trusted at 2026-11-22T08:30:00Z, "
            "when it signed"
        )
    assert signed.verified(trust=trusting(KEY, valid_from=NOW, valid_until=NOW)).holds


def test_old_verdicts_hold_after_a_rotation_and_new_ones_of_the_old_key_do_not(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys"

    def key() -> SigningKey:
        return read_signing_key(keys / "signing.key", None)

    new_key(keys, None, NOW)
    old_key = key()
    before = sign(tmp_path, key=old_key, at=NOW + days(9))
    rotate_key(keys, None, NOW + days(10), timedelta(hours=1))
    trust, now = read_trust(keys), NOW + days(20)
    assert before.verified(trust=trust, now=now).holds
    assert sign(tmp_path, key=key(), at=NOW + days(11)).verified(trust=trust, now=now).holds
    stolen = sign(tmp_path, key=old_key, at=NOW + days(11))
    ((fault, _),) = faults(stolen.verified(trust=trust, now=now))
    assert fault is Fault.UNSIGNED
