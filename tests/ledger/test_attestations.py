import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from xray_gate.core.verdict import Decision, Enforcement, Verdict
from xray_gate.ledger import schema
from xray_gate.ledger.ledger import Ledger
from xray_gate.scan.work import Registration, VersionKey

NOW = 1_000_000.0
ledger = Ledger()
PASSED = Decision(Verdict.PASSED, ("fine",), (), Enforcement.ENFORCE)


def registered(engine: Engine, name: str) -> Registration:
    with engine.begin() as connection:
        ledger.register(connection, VersionKey("default", name, 1), "s3://a", NOW)
        found = ledger.current(connection, VersionKey("default", name, 1))
    assert found is not None
    return found


def judge(
    engine: Engine, of: Registration, scan_id: str | None, attestation: str | None = None
) -> None:
    with engine.begin() as connection:
        named = ("images", "sha256:0")
        ledger.record_verdict(connection, of.id, PASSED, named, scan_id, NOW, attestation)


def attestation_of(engine: Engine, of: Registration) -> str | None:
    with engine.begin() as connection:
        return ledger.attestation_of(connection, of)


def test_an_attestation_is_kept_with_its_verdict(engine: Engine) -> None:
    signs, faces = registered(engine, "signs"), registered(engine, "faces")
    assert attestation_of(engine, signs) is None
    judge(engine, signs, "scan-1", "signed")
    judge(engine, faces, "scan-2", "another" * 100_000)
    assert attestation_of(engine, signs) == "signed"
    assert attestation_of(engine, faces) == "another" * 100_000


def test_a_copy_has_the_attestation_of_its_scan(engine: Engine) -> None:
    original, copy = registered(engine, "signs"), registered(engine, "production")
    judge(engine, original, "scan-1", "signed")
    judge(engine, copy, "scan-1")
    assert attestation_of(engine, copy) == "signed"


def test_a_newer_verdict_does_not_borrow_the_attestation_of_an_older_scan(engine: Engine) -> None:
    signs = registered(engine, "signs")
    judge(engine, signs, "scan-1", "signed")
    judge(engine, signs, "scan-2")
    assert attestation_of(engine, signs) is None


def test_verdicts_without_a_scan_share_no_attestation(engine: Engine) -> None:
    signs, faces = registered(engine, "signs"), registered(engine, "faces")
    judge(engine, signs, None, "signed")
    judge(engine, faces, None)
    assert attestation_of(engine, faces) is None


def test_verdicts_from_before_there_were_attestations_are_kept(database: str) -> None:
    engine = sqlalchemy.create_engine(database)
    config = Config()
    folder = schema.__file__.removesuffix("schema.py")
    config.set_main_option("script_location", f"{folder}migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for row in (
            "INSERT INTO xray_gate_registrations (id, workspace, name, version, location, state, "
            "created_at, lease_until, attempts, scan_id) "
            "VALUES (1, 'default', 'signs', 1, 's3://a', 'admitted', 1, 0, 1, 'scan-1')",
            "INSERT INTO xray_gate_verdicts (id, registration_id, scan_id, verdict, admits, "
            "reasons, policy_name, policy_digest, created_at) "
            "VALUES (1, 1, 'scan-1', 'passed', 1, '[]', 'images', 'sha256:0', 1)",
        ):
            connection.execute(sqlalchemy.text(row))
    schema.upgrade(engine)
    with engine.begin() as connection:
        signs = ledger.current(connection, VersionKey("default", "signs", 1))
        assert signs is not None
        assert [row.verdict for row in ledger.verdicts(connection, signs)] == ["passed"]
        assert ledger.attestation_of(connection, signs) is None
    engine.dispose()
