"""Which of the server's policies is for a version: by its name, its model's tags, its flavours."""

import logging
from collections.abc import Callable

from sqlalchemy import Connection

from xray_gate.core.errors import XrayGateError
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.policy.matching import Undetermined
from xray_gate.registry.ports import LedgerPort
from xray_gate.registry.refusal import refusal
from xray_gate.registry.rows import model_tags
from xray_gate.scan.work import VersionKey, VersionState

_logger = logging.getLogger(__name__)


class PolicyChoice:
    """Asks the server's current policies. Every error is a refusal."""

    def __init__(self, ledger: LedgerPort, policies: Callable[[], PolicySet]) -> None:
        self._ledger = ledger
        self._policies = policies

    def at_registration(self, connection: Connection, workspace: str, name: str) -> Policy | None:
        """The policy for a new version, or None where that hangs on its flavours.

        Refuses where none can be for it, or where they cannot be read.
        """
        try:
            return self._match(connection, VersionKey(workspace, name, 0), None, None)
        except Undetermined:
            return None

    def of(
        self,
        connection: Connection,
        version: VersionKey,
        name: str | None = None,
        *,
        with_tags_of: str | None = None,
    ) -> Policy:
        """The one policy for a version; refuses where there is none, or where that is not known.

        `name`: as if it had that one, where it is to be copied or renamed; `with_tags_of`: the
        registered model whose tags these are until then.
        """
        key = version if name is None else VersionKey(version.workspace, name, version.version)
        try:
            return self._match(connection, key, with_tags_of, None)
        except Undetermined:
            flavours = self._flavours(connection, version)
        try:
            return self._match(connection, key, with_tags_of, flavours)
        except Undetermined as error:
            raise refusal(str(error)) from error

    def _match(
        self,
        connection: Connection,
        key: VersionKey,
        with_tags_of: str | None,
        flavours: tuple[str, ...] | None,
    ) -> Policy:
        try:
            policies = self._policies()
            asks = policies.asks_for_tags(key.name)
            place = with_tags_of or key.name
            tags = model_tags(connection, key.workspace, place) if asks else None
            policy = policies.match(key.name, tags, flavours)
        except Undetermined:
            raise
        except XrayGateError as error:
            _logger.exception("the gate's policies cannot be used")
            raise refusal(
                f"the server's policies cannot be used, so nothing is admitted: {error}"
            ) from error
        if policy is None:
            raise refusal(
                f"no policy matches the registered model {key.name!r}; "
                "ask the platform team to add it to match.registered_models of a policy"
            )
        return policy

    def _flavours(self, connection: Connection, version: VersionKey) -> tuple[str, ...] | None:
        """Those of the bytes that were scanned last; None where no scan counts."""
        registration = self._ledger.current(connection, version)
        if registration is None or registration.state in (
            VersionState.WAITING,
            VersionState.DELETED,
        ):
            return None
        evidence = self._ledger.evidence_of(connection, registration)
        return None if evidence is None else evidence.model.flavours

    def of_name(self, name: str) -> list[Policy]:
        """Every policy that may be for a version of this name; none where they cannot be read."""
        try:
            return self._policies().candidates(name)
        except XrayGateError:
            # Whoever asks for the one policy refuses, and says why.
            return []

    def hangs_on_tags(self, name: str) -> bool:
        """Whether clients may choose the policy of a name: they write its tags."""
        return self._policies().asks_for_tags(name)
