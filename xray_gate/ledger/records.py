"""Evidence and verdicts, kept apart from each other and for ever."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, insert, select

from xray_gate.core.evidence import Evidence
from xray_gate.core.verdict import Decision, Excuse, Verdict
from xray_gate.ledger.tables import registrations, revocations, scans, verdicts
from xray_gate.scan.work import Proof, RecordedVerdict, Registration, Revocation, VersionState

# Made once, since every promotion waits for it.
_EVIDENCE = (
    select(scans.c.evidence)
    .join(registrations, registrations.c.scan_id == scans.c.scan_id)
    .where(registrations.c.id == bindparam("of_registration"))
)
# In one statement, since every promotion waits for that, too.
_PROOF = (
    _EVIDENCE.add_columns(
        revocations.c.digest,
        revocations.c.reason,
        revocations.c.revoked_by,
        verdicts.c.admits,
        verdicts.c.exceptions,
    )
    .outerjoin(revocations, revocations.c.digest == scans.c.digest)
    .outerjoin(verdicts, verdicts.c.registration_id == registrations.c.id)
    .order_by(revocations.c.id.desc(), verdicts.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True)
class VerdictRow:
    """A verdict as it was recorded, newest first in `Ledger.verdicts`."""

    verdict: str
    reasons: list[str]
    admits: bool
    policy_name: str
    policy_digest: str
    scan_id: str | None
    run_id: str | None
    digest: str | None
    created_at: float
    excused_by: tuple[Excuse, ...] = ()


_READY_ONLY, _PROMOTIONS_ONLY = 2, 3


class Records:
    """Only ever adds rows."""

    def record_scan(
        self, connection: Connection, evidence: Evidence, run_id: str | None, now: float
    ) -> None:
        """Keep the evidence for ever."""
        connection.execute(
            insert(scans).values(
                scan_id=evidence.scan_id,
                digest=evidence.model.digest,
                evidence=json.dumps(evidence.to_json(), allow_nan=False),
                run_id=run_id,
                created_at=now,
            )
        )

    def record_verdict(
        self,
        connection: Connection,
        registration_id: int,
        decision: Decision,
        policy: tuple[str, str],
        scan_id: str | None,
        now: float,
        attestation: str | None = None,
    ) -> int:
        """Keep a verdict for ever; its row's id. `policy` is its name and digest."""
        result = connection.execute(
            insert(verdicts).values(
                registration_id=registration_id,
                scan_id=scan_id,
                verdict=decision.verdict,
                admits=_admits(decision),
                reasons=json.dumps(list(decision.reasons)),
                policy_name=policy[0],
                policy_digest=policy[1],
                created_at=now,
                attestation=attestation,
                exceptions=_written(decision.excused_by),
                admits_until=decision.admits_until,
            )
        )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    def evidence_of(self, connection: Connection, registration: Registration) -> Evidence | None:
        """The evidence that the registration's state rests on, or None before a scan."""
        text = connection.execute(_EVIDENCE, {"of_registration": registration.id}).scalar()
        return None if text is None else Evidence.from_json(json.loads(text))

    def proof_of(self, connection: Connection, registration: Registration) -> Proof | None:
        """That evidence, and whether it was withdrawn; None before a scan."""
        row = connection.execute(_PROOF, {"of_registration": registration.id}).first()
        if row is None:
            return None
        gone = None if row.digest is None else Revocation(row.digest, row.reason, row.revoked_by)
        evidence = Evidence.from_json(json.loads(row.evidence))
        return Proof(evidence, gone, row.admits == 1, read_excuses(row.exceptions))

    def newest_verdict(
        self, connection: Connection, registration: Registration
    ) -> RecordedVerdict | None:
        """The verdict on a registration that was recorded last, or None before any."""
        row = connection.execute(
            select(verdicts.c.verdict, verdicts.c.reasons, verdicts.c.exceptions)
            .where(verdicts.c.registration_id == registration.id)
            .order_by(verdicts.c.id.desc())
            .limit(1)
        ).first()
        if row is None:
            return None
        reasons = tuple(json.loads(row.reasons))
        return RecordedVerdict(Verdict(row.verdict), reasons, read_excuses(row.exceptions))

    def attestation_of(self, connection: Connection, registration: Registration) -> str | None:
        """The signed envelope of the newest verdict's scan, or None where nobody signed it.

        A copy has no attestation of its own: the one of the scan names its bytes, too. What was
        withdrawn has none any more.
        """
        if registration.state is VersionState.REVOKED:
            return None
        newest = (
            select(verdicts.c.scan_id)
            .where(verdicts.c.registration_id == registration.id)
            .order_by(verdicts.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        return connection.execute(
            select(verdicts.c.attestation)
            .where(verdicts.c.scan_id == newest, verdicts.c.attestation.is_not(None))
            .order_by(verdicts.c.id.desc())
            .limit(1)
        ).scalar()

    def verdicts(self, connection: Connection, registration: Registration) -> list[VerdictRow]:
        """Every verdict on a registration, newest first."""
        rows = connection.execute(
            # Not the attestations, which can be megabytes.
            select(
                *(column for column in verdicts.c if column is not verdicts.c.attestation),
                scans.c.run_id,
                scans.c.digest,
            )
            .outerjoin(scans, scans.c.scan_id == verdicts.c.scan_id)
            .where(verdicts.c.registration_id == registration.id)
            .order_by(verdicts.c.id.desc())
        )
        return [
            VerdictRow(
                verdict=Verdict(row.verdict),
                reasons=json.loads(row.reasons),
                admits=row.admits in (1, _READY_ONLY),
                policy_name=row.policy_name,
                policy_digest=row.policy_digest,
                scan_id=row.scan_id,
                run_id=row.run_id,
                digest=row.digest,
                created_at=row.created_at,
                excused_by=read_excuses(row.exceptions),
            )
            for row in rows
        ]


def _admits(decision: Decision) -> int:
    """0 for nothing, 1 for all, 2 for the status READY only, 3 for promotions only."""
    if not decision.admits:
        return _PROMOTIONS_ONLY if decision.promotes else 0
    return 1 if decision.promotes else _READY_ONLY


def _written(excuses: Sequence[Excuse]) -> str | None:
    return json.dumps([asdict(excuse) for excuse in excuses]) if excuses else None


def read_excuses(text: str | None) -> tuple[Excuse, ...]:
    """The exceptions of a row of `verdicts`."""
    return () if text is None else tuple(Excuse(**one) for one in json.loads(text))
