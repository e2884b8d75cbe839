"""Versions of a registered model that the gate admitted by their evidence, as clean references."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from xray_gate.core.errors import InputError
from xray_gate.core.evidence import ModelFacts
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.policy.matching import Undetermined
from xray_gate.registry.ports import AdmittedPort
from xray_gate.registry.rows import model_tags
from xray_gate.registry.transactions import transaction
from xray_gate.scan.calibrating import ReferenceModel
from xray_gate.scan.work import ArtifactFetcher, Registration, VersionState


@dataclass(frozen=True)
class AdmittedModels:
    """`models`, the oldest first; `left_out` says of each other version why it is none of them."""

    models: list[ReferenceModel] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def admitted_models(
    make_session: Callable[..., Any],
    ledger: AdmittedPort,
    fetch: ArtifactFetcher,
    workspace: str,
    name: str,
) -> AdmittedModels:
    """The versions of `name` that passed when they were scanned and pass under today's policy.

    What audit or warn admitted whatever its verdict is none of them. Their files are fetched only
    when they are scored. Raises `InputError` where there is none, or no policy for the name.
    """
    found = AdmittedModels()
    with transaction(make_session) as connection:
        registrations = ledger.registrations_of(connection, workspace, name, None)
        if not registrations:
            raise InputError(f"{name}: the gate has seen no version of it; check the name")
        policies, tags = ledger.server_policies(connection), model_tags(connection, workspace, name)
        if not policies.candidates(name, tags):
            raise InputError(
                f"{name}: no policy of the registry's server matches it, so nothing of it is "
                "admitted; add it to match.registered_models of one"
            )
        for registration in reversed(registrations):
            if registration.state is VersionState.DELETED:
                continue
            evidence = ledger.evidence_of(connection, registration)
            flavours = None if evidence is None else evidence.model.flavours
            try:
                policy = policies.match(name, tags, flavours)
            except Undetermined as error:
                found.left_out.append(f"{registration.key}: {error}")
                continue
            if policy is None:
                found.left_out.append(f"{registration.key}: no policy is for its flavours")
                continue
            passed = _passed(connection, ledger, policy, registration)
            if isinstance(passed, str):
                found.left_out.append(f"{registration.key}: {passed}")
            else:
                files = partial(fetch, registration.location)
                key = str(registration.key)
                found.models.append(
                    ReferenceModel(key, key, passed.digest, passed.architecture, None, files)
                )
    if not found.models:
        raise InputError(
            f"{name}: no version is admitted by its evidence ({'; '.join(found.left_out)}); "
            "calibrate on files with --clean"
        )
    return found


def _passed(
    connection: Connection, ledger: AdmittedPort, policy: Policy, registration: Registration
) -> ModelFacts | str:
    """The bytes that were scanned and passed, or why there are none."""
    recorded = ledger.newest_verdict(connection, registration)
    if recorded is None:
        return "it has no verdict yet"
    if recorded.verdict is not Verdict.PASSED:
        return f"its verdict was {recorded.verdict}"
    evidence = ledger.evidence_of(connection, registration)
    if registration.state is not VersionState.ADMITTED or evidence is None:
        return "it is not admitted by evidence"
    verdict = decide(policy, evidence).verdict
    if verdict is not Verdict.PASSED:
        return f"its verdict under today's policy {policy.name} is {verdict}"
    return evidence.model
