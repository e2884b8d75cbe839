"""An attestation that the first version signed: it has to be verified for ever.

The key that signed it was thrown away.
"""

from datetime import UTC, datetime
from pathlib import Path

from tests.signing.making import write_model
from xray_gate.signing.trust import read_trust
from xray_gate.signing.verification import Expected, verify

GOLDEN = Path(__file__).parent / "golden"


def test_what_the_first_version_signed_is_still_verified(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    (model / "data" / "größe 100%.txt").write_bytes(b"")
    envelope = (GOLDEN / "attestation.json").read_bytes()
    trust = read_trust(GOLDEN / "trust.json")
    expected = Expected(resource="models:/signs/1")
    answer = verify(model, envelope, trust, expected, datetime(2027, 1, 1, tzinfo=UTC))
    assert answer.holds
    assert answer.statement is not None
    assert answer.statement.predicate.timeVerified == "2026-11-22T08:30:00Z"
