"""Exceptions, the YAML that somebody wrote beside the policies."""

import time
from collections.abc import Mapping
from contextlib import suppress

import yaml

from tests.fuzz.choosing import Choose, changed_bytes, changed_tree
from tests.fuzz.scratch import folder, written
from tests.support.evidence import (
    DIGEST,
    backdoored,
    day,
    exception_document,
    policy_document,
    write_policy,
)
from xray_gate.policy.exceptions import decide_now
from xray_gate.policy.files import PolicySet, read_policies

WORDS = (
    *(b"apiVersion: xray-gate/v1", b"kind: Exception", b"policy: images", b"rule: model_xray"),
    *(b"rule: undecided", b"rule: age", b"created:", b"expires:", b"2026-12-31", b"9999-12-31"),
    *(b"0001-01-01", b"&a", b"*a", b"<<: *a", b"!!timestamp", b"!!int", b'"\\0"', b'"\\ud800"'),
    DIGEST.encode(),
)
_MOST_DAYS = 30


def target(data: bytes) -> None:
    """Whatever it holds, the policies stay in force, and only these bytes are excused, and so long.

    What cannot count is told with its file.
    """
    place = folder("exception")
    if not (place / "images.yaml").exists():
        write_policy(place, policy_document(exceptions={"most_days": _MOST_DAYS}))
    path = written("exception/found.exception.yaml", data)
    found = read_policies(place)
    assert [policy.name for policy in found.policies] == ["images"]
    assert PolicySet.from_json(found.to_json()).digest == found.digest
    (policy,) = found.policies
    assert bool(found.problems) != bool(policy.exceptions)
    assert all(problem.startswith(f"{path}") for problem in found.problems)
    decision = decide_now(policy, backdoored(), time.time())
    if decision.admits:
        (one,) = policy.exceptions
        assert (one.model, one.rule) == (DIGEST, "model_xray")
        assert 0 < one.days <= _MOST_DAYS


def seeds() -> Mapping[str, bytes]:
    """One that counts, one that has ended, and one with an anchor."""
    counts = yaml.safe_dump(exception_document()).encode()
    ended = yaml.safe_dump(exception_document(created=day(-9), expires=day(-1))).encode()
    anchored = counts.replace(b"reason: ", b"reason: &a ", 1) + b"extra: *a\n"
    return {"counts": counts, "ended": ended, "anchored": anchored}


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree, or other bytes where aliases would be lost."""
    if choose(3) and b"*" not in data and b"<<" not in data:
        with suppress(Exception):
            words = [word.decode().rpartition(": ")[2].strip(":") for word in WORDS]
            tree = changed_tree(yaml.safe_load(data), choose, words)
            return yaml.safe_dump(tree, sort_keys=False).encode()
    return changed_bytes(data, choose)
