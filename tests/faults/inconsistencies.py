"""What must hold of a registry once all faults are over, looked up past the gate's own code."""

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from tests.support.audit import chain_problem
from xray_gate.core.verdict import NO_POLICY
from xray_gate.scan.digest import model_digest

Place = Callable[[str], Path]
Row = Any
_SETTLED = {
    "admitted": "READY",
    "refused": "FAILED_REGISTRATION",
    "dead_letter": "FAILED_REGISTRATION",
    "revoked": "FAILED_REGISTRATION",
}


@dataclass(frozen=True)
class Tables:
    """The rows of MLflow's tables and of the ledger, as one transaction sees them."""

    versions: list[Row]
    aliases: list[Row]
    tags: dict[tuple[str, str, int], dict[str, str]]
    registrations: list[Row]
    scans: dict[str, Row]
    verdicts: dict[int, list[Row]]
    allowances: int

    @staticmethod
    def read(connection: Connection) -> "Tables":
        """Read all of them."""

        def rows(statement: str) -> list[Row]:
            return list(connection.execute(text(statement)))

        tags: dict[tuple[str, str, int], dict[str, str]] = defaultdict(dict)
        for row in rows("SELECT workspace, name, version, key, value FROM model_version_tags"):
            tags[row.workspace, row.name, row.version][row.key] = row.value
        verdicts: dict[int, list[Row]] = defaultdict(list)
        for row in rows("SELECT * FROM xray_gate_verdicts ORDER BY id"):
            verdicts[row.registration_id].append(row)
        return Tables(
            rows("SELECT * FROM model_versions WHERE current_stage <> 'Deleted_Internal'"),
            rows("SELECT * FROM registered_model_aliases"),
            tags,
            rows("SELECT * FROM xray_gate_registrations ORDER BY id"),
            {row.scan_id: row for row in rows("SELECT * FROM xray_gate_scans")},
            verdicts,
            len(rows("SELECT id FROM xray_gate_free_promotions")),
        )

    def registration_of(self, version: Row) -> Row | None:
        """The newest registration of a version that is not deleted."""
        key = _key(version)
        found = [r for r in self.registrations if _key(r) == key and r.state != "deleted"]
        return found[-1] if found else None


def inconsistencies(
    connection: Connection,
    place: Place,
    *,
    waiting: bool = False,
    scanned_again: Collection[str] = (),
) -> list[str]:
    """Everything that contradicts something else, in words; empty where all is well.

    `place` gives the local path of an artifact location. With `waiting` versions may wait for a
    scan; those of `scanned_again` (`NAME/VERSION`) may have a verdict more than others.
    """
    tables = Tables.read(connection)
    found = [*_strays(tables), *_of_log(connection, tables)]
    for version in tables.versions:
        what = f"{version.name}/{version.version}"
        again = int(what in scanned_again)
        problems = _of_version(tables, version, place, waiting=waiting, again=again)
        found += [f"{what}: {problem}" for problem in problems]
    return found


def _strays(tables: Tables) -> Iterator[str]:
    """What belongs to no version."""
    known = {registration.id for registration in tables.registrations}
    named = {verdict.scan_id for rows in tables.verdicts.values() for verdict in rows}
    for registration_id in tables.verdicts:
        if registration_id not in known:
            yield f"a verdict on registration {registration_id}, which is not there"
    for scan_id in tables.scans:
        if scan_id not in named:
            yield f"evidence {scan_id} without a verdict that rests on it"
    versions = {_key(version) for version in tables.versions}
    for registration in tables.registrations:
        if registration.state != "deleted" and _key(registration) not in versions:
            yield f"{registration.name}/{registration.version}: registered, but MLflow has no such"
    for alias in tables.aliases:
        if (alias.workspace, alias.name, alias.version) not in versions:
            yield f"the alias {alias.alias} of {alias.name} leads nowhere"
    if tables.allowances:
        yield f"{tables.allowances} promotions without a verdict are still allowed"


def _of_log(connection: Connection, tables: Tables) -> Iterator[str]:
    """The audit log is whole, and tells of each verdict and of each scan once."""
    problem = chain_problem(connection)
    if problem is not None:
        yield f"the audit log is broken: {problem}"
    told: dict[str, Counter[Any]] = defaultdict(Counter)
    for row in connection.execute(text("SELECT event, details FROM xray_gate_log")):
        details = json.loads(row.details)
        told[row.event][details.get("row") or details.get("scan_id")] += 1
    expected = {
        "verdict": Counter(verdict.id for rows in tables.verdicts.values() for verdict in rows),
        "scanned": Counter(list(tables.scans)),
    }
    for event, wanted in expected.items():
        for one in wanted.keys() | told[event].keys():
            if told[event][one] != wanted[one]:
                yield f"{event} {one}: {told[event][one]} lines in the audit log"


def _of_version(
    tables: Tables, version: Row, place: Place, *, waiting: bool, again: int
) -> Iterator[str]:
    registration = tables.registration_of(version)
    promoted = [a.alias for a in tables.aliases if _key(a) == _key(version)]
    if version.current_stage not in ("None", "Archived", None):
        promoted.append(version.current_stage)
    if registration is None:
        yield "the gate has never seen it"
        if version.status == "READY" or promoted:
            yield f"READY or promoted ({promoted}) and never scanned"
        return
    verdicts = tables.verdicts.get(registration.id, [])
    admits = bool(verdicts) and bool(verdicts[-1].admits) and registration.state == "admitted"
    # What was promoted stays so when it is withdrawn, for people to undo.
    if registration.state == "revoked":
        promoted = []
    if not admits and (version.status == "READY" or promoted):
        yield f"{version.status}, promoted {promoted}, without an admitting verdict"
    if registration.state == "waiting":
        yield from _of_waiting(version, len(verdicts) - again, waiting)
        return
    yield from _of_settled(tables, version, registration, verdicts, again)
    for verdict in verdicts:
        yield from _of_verdict(tables, registration, verdict)
    yield from _of_files(tables, version, registration, verdicts, place)


def _of_waiting(version: Row, verdicts: int, allowed: bool) -> Iterator[str]:
    if not allowed:
        yield "still waits for a scan"
    if version.status != "PENDING_REGISTRATION":
        yield f"waits for a scan with the status {version.status}"
    if verdicts > 0:
        yield f"waits for a scan with {verdicts} verdicts"


def _of_settled(
    tables: Tables, version: Row, registration: Row, verdicts: list[Row], again: int
) -> Iterator[str]:
    # A withdrawal is a verdict of its own, after the one that it takes back.
    expected_verdicts = 2 if registration.state == "revoked" else 1
    if not expected_verdicts <= len(verdicts) <= expected_verdicts + again:
        yield f"{len(verdicts)} verdicts"
    expected = _SETTLED.get(registration.state)
    if version.status != expected:
        yield f"is {registration.state} with the status {version.status}"
    if registration.lease_owner is not None:
        yield f"settled, and still leased to {registration.lease_owner}"
    if not verdicts:
        return
    newest = verdicts[-1]
    if bool(newest.admits) != (registration.state == "admitted"):
        yield f"is {registration.state} by a verdict that is {newest.verdict}"
    if registration.scan_id != newest.scan_id:
        yield "its state rests on another scan than its verdict"
    tag = tables.tags[_key(version)].get("xray_gate.verdict")
    if tag != newest.verdict:
        yield f"its tag says {tag}, its verdict {newest.verdict}"


def _of_verdict(tables: Tables, registration: Row, verdict: Row) -> Iterator[str]:
    if verdict.scan_id is None:
        if verdict.admits:
            yield "admitted without a scan"
        return
    scan = tables.scans.get(verdict.scan_id)
    if scan is None:
        yield f"its verdict rests on evidence {verdict.scan_id}, which is not there"
        return
    evidence = json.loads(scan.evidence)
    if evidence["model"]["digest"] != scan.digest or evidence["scan_id"] != scan.scan_id:
        yield "its evidence is not what it is kept as"
    if not scan.digest.startswith("sha256:"):
        if verdict.admits:
            yield "admitted without a digest"
        return
    ref = f"models:/{registration.name}/{registration.version}"
    if evidence["model"]["ref"] != ref:
        yield f"its evidence is about {evidence['model']['ref']}"
    # A withdrawal is no runner's word, and nobody signs it.
    if verdict.policy_name != NO_POLICY[0]:
        yield from _of_signature(scan, verdict)


def _of_signature(scan: Row, verdict: Row) -> Iterator[str]:
    if verdict.attestation is None:
        yield "its verdict is not signed"
        return
    payload = json.loads(base64.b64decode(json.loads(verdict.attestation)["payload"]))
    digest = payload["subject"][0]["digest"]["sha256"]
    result = payload["predicate"]["verificationResult"]
    if f"sha256:{digest}" != scan.digest:
        yield f"signed for sha256:{digest}, scanned {scan.digest}"
    if (result == "PASSED") != (verdict.verdict == "passed"):
        yield f"signed as {result}, recorded as {verdict.verdict}"


def _of_files(
    tables: Tables, version: Row, registration: Row, verdicts: list[Row], place: Place
) -> Iterator[str]:
    """The bytes that everybody downloads, and those that the registrant named."""
    location = version.storage_location or version.source
    if location != registration.location:
        yield f"lies at {location}, the ledger says {registration.location}"
    scan = tables.scans.get(verdicts[-1].scan_id) if verdicts else None
    if scan is None or not scan.digest.startswith("sha256:"):
        if registration.kept:
            yield "bytes are kept that nobody scanned"
        return
    if not registration.kept and verdicts[-1].admits:
        yield "admitted, and its bytes are not kept"
    for which, where in {"downloaded": location, "registered": version.source}.items():
        try:
            digest = model_digest(place(where))
        except Exception as error:
            digest = f"nothing that can be read ({error})"
        if digest != scan.digest:
            yield f"{which} from {where} is {digest}, scanned was {scan.digest}"


def _key(row: Row) -> tuple[str, str, int]:
    return (row.workspace, row.name, row.version)


__all__ = ("Place", "Tables", "inconsistencies")
