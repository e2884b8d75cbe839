"""How long `xray-gate policy replay` takes over a long history.

    python -m benchmarks.replay_time --scans 10000

A SQLite registry is filled with scans: the evidence that lies beside the shipped policies, again
and again, each with its own scan, digest, registration and verdict. The replay is timed by itself,
and the command line as people run it, with the start of Python; seconds of CPU stand beside those
of the clock, for machines that have other work.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlRegisteredModel
from sqlalchemy import Engine, insert

from xray_gate.core.evidence import Evidence
from xray_gate.ledger.tables import registrations, scans, verdicts
from xray_gate.policy.decision import decide
from xray_gate.policy.declared import read_evidence
from xray_gate.policy.files import Policy, PolicySet, read_policies
from xray_gate.scan.work import VersionState
from xray_gate.wiring.reading import replay_policies
from xray_gate.wiring.stores import registry_engine

POLICIES = Path(__file__).parents[1] / "policies"
NAME = "image-classifier"
SOURCE = "s3://models/signs"
_AT_ONCE = 1000


def fill(engine: Engine, policy: Policy, evidence: Sequence[Evidence], count: int) -> None:
    """Add ``count`` scanned versions of one registered model, with the verdicts of ``policy``."""
    texts = [json.dumps(one.to_json()) for one in evidence]
    decisions = [decide(policy, one) for one in evidence]
    with engine.begin() as connection:
        connection.execute(insert(SqlRegisteredModel.__table__).values(name=NAME))
        for start in range(1, count + 1, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, count + 1))
            rows: dict[str, list[dict[str, object]]] = {"v": [], "r": [], "s": [], "d": []}
            for number in numbers:
                kind = number % len(evidence)
                decision, scan = decisions[kind], f"replay-{number}"
                digest = f"sha256:{number:064x}"
                text = texts[kind].replace(evidence[kind].scan_id, scan)
                rows["v"].append(_version(number))
                rows["r"].append(_registration(number, scan, admitted=decision.admits))
                rows["s"].append(
                    {
                        "scan_id": scan,
                        "digest": digest,
                        "evidence": text.replace(evidence[kind].model.digest, digest),
                        "created_at": float(number),
                    }
                )
                rows["d"].append(
                    {
                        "registration_id": number,
                        "scan_id": scan,
                        "verdict": decision.verdict,
                        "admits": int(decision.admits),
                        "reasons": json.dumps(list(decision.reasons)),
                        "policy_name": policy.name,
                        "policy_digest": policy.digest,
                        "created_at": float(number),
                    }
                )
            connection.execute(insert(SqlModelVersion.__table__), rows["v"])
            connection.execute(insert(registrations), rows["r"])
            connection.execute(insert(scans), rows["s"])
            connection.execute(insert(verdicts), rows["d"])


def _version(number: int) -> dict[str, object]:
    return {"name": NAME, "version": number, "source": SOURCE, "storage_location": SOURCE}


def _registration(number: int, scan: str, *, admitted: bool) -> dict[str, object]:
    return {
        "id": number,
        "workspace": "default",
        "name": NAME,
        "version": number,
        "location": SOURCE,
        "state": VersionState.ADMITTED if admitted else VersionState.REFUSED,
        "created_at": float(number),
        "lease_until": float(number),
        "attempts": 1,
        "scan_id": scan,
    }


def tightened(policy: Policy) -> Policy:
    """The same with a higher least accuracy, so that what passed with less changes."""
    document = policy.document.model_copy(update={"min_probe_accuracy": 0.8})
    return replace(policy, document=document)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Fill, replay, and print seconds."""
    parser = argparse.ArgumentParser(description="Time a replay over a long history.")
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--policy", type=Path, default=POLICIES / "strict.yaml")
    parser.add_argument("--evidence", type=Path, default=POLICIES / "evidence")
    arguments = parser.parse_args()
    (policy,) = read_policies(arguments.policy).policies
    evidence = [read_evidence(path) for path in sorted(arguments.evidence.glob("*.json"))]
    with tempfile.TemporaryDirectory(prefix="xray-gate-replay-") as folder:
        uri = f"xray-gate+sqlite:///{folder}/mlflow.db"
        fill(registry_engine(uri), policy, evidence, arguments.scans)
        started, worked = time.monotonic(), time.process_time()
        rows = replay_policies(uri, "default", PolicySet((tightened(policy),)))
        alone, cpu = time.monotonic() - started, time.process_time() - worked
        changed = sum(row.is_changed for row in rows)
        command = [sys.executable, "-m", "xray_gate", "policy", "replay", str(arguments.policy)]
        started, before = time.monotonic(), _of_children()
        done = subprocess.run(
            [*command, "--registry-uri", uri], capture_output=True, text=True, check=True
        )
        whole, whole_cpu = time.monotonic() - started, _of_children() - before
    assert len(rows) == arguments.scans, "every scan is replayed"
    print(f"{len(rows):,} scans, {changed:,} change: {alone:.1f} s ({cpu:.1f} s of CPU)")
    print(f"the command: {whole:.1f} s ({whole_cpu:.1f} s of CPU)")
    print(done.stdout.strip().splitlines()[0])


if __name__ == "__main__":
    main()
