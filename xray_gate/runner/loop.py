"""The runner: claims a waiting version, scans it, writes down what it found, and again.

Nothing is lost when a runner dies: its lease runs out, and another one scans the version again.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from xray_gate.core.errors import LeaseLost, PolicyError, ScanError, XrayGateError
from xray_gate.core.verdict import Decision, Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy, PolicySet
from xray_gate.scan.pipeline import unscannable
from xray_gate.scan.work import (
    ArtifactFetcher,
    Champion,
    EvidenceSink,
    Lease,
    MissingTraining,
    Scanner,
    ScanOutput,
    SnapshotKeeper,
    TrainingFetcher,
    TrainingFiles,
    VerdictSigner,
    WorkQueue,
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunnerParts:
    """What a runner is made of.

    `measuring` holds this runner's own policies, which say only what to measure; without them the
    server's are used for that, too. `renew_seconds` must be well under the lease. Without `sign`
    verdicts are not signed.
    """

    queue: WorkQueue
    fetch: ArtifactFetcher
    fetch_training: TrainingFetcher
    scan: Scanner
    keep: SnapshotKeeper
    publish: EvidenceSink
    sign: VerdictSigner | None = None
    measuring: PolicySet | None = None
    renew_seconds: float = 15.0
    max_attempts: int = 3
    announce: Callable[[str], None] = lambda text: None


class Runner:
    """Works through the queue, one version at a time."""

    def __init__(self, parts: RunnerParts) -> None:
        self._parts = parts

    def run_once(self, stop: threading.Event | None = None) -> int:
        """Scan what waits now, or until `stop` is set; how many versions were settled."""
        settled = 0
        self._parts.queue.heartbeat()
        while not (stop and stop.is_set()) and (lease := self._parts.queue.claim()) is not None:
            settled += self._settle(lease)
            self._parts.queue.heartbeat()
        return settled

    def run_forever(self, stop: threading.Event, pause_seconds: float = 1.0) -> None:
        """Look for work until `stop` is set; a failing look is logged and tried again."""
        while not stop.is_set():
            try:
                self.run_once(stop)
            except Exception:
                # The database may be gone for a moment. Versions stay pending until it is back.
                _logger.exception("the runner could not look for work; it tries again")
                stop.wait(10 * pause_seconds)
            stop.wait(pause_seconds)

    def _settle(self, lease: Lease) -> bool:
        key = lease.registration.key
        self._parts.announce(f"{key}: scanning")
        try:
            with _renewed(self._parts.queue, lease, self._parts.renew_seconds):
                outcome = self._scan_and_record(lease)
        except LeaseLost as error:
            self._parts.announce(str(error))
            return False
        self._parts.announce(f"{key}: {outcome}")
        return True

    def _scan_and_record(self, lease: Lease) -> str:
        parts = self._parts
        key = lease.registration.key
        try:
            policy = parts.queue.policy_for(lease)
            measuring = self._measuring(policy, key.name)
        except PolicyError as error:
            parts.queue.refuse(lease, str(error))
            return str(error)
        if policy is None or measuring is None:
            reason = f"no policy matches {key.name!r}; add it to match.registered_models of one"
            parts.queue.refuse(lease, reason)
            return reason
        output, snapshot = self._scan_and_keep(lease, policy, measuring)
        digest = output.evidence.model.digest
        decision = parts.queue.withdrawn(digest) or decide(policy, output.evidence)
        # A signer that fails leaves no verdict: with a key, none is ever recorded unsigned.
        attestation = None if parts.sign is None else parts.sign(output, decision, policy)
        run_id = self._publish(lease, output, decision, policy, attestation)
        evidence = output.evidence
        decision = parts.queue.finish(
            lease, evidence, decision, policy, run_id, snapshot, attestation
        )
        return f"{decision.verdict} ({'; '.join(decision.reasons)})"

    def _measuring(self, policy: Policy | None, name: str) -> Policy | None:
        own = self._parts.measuring
        return policy if own is None else own.match(name)

    def _scan_and_keep(
        self, lease: Lease, policy: Policy, measuring: Policy
    ) -> tuple[ScanOutput, str | None]:
        """What the scan found, and where its bytes are kept, if they are.

        Also those of a version that is refused: another policy may admit it by the same evidence.
        """
        with ExitStack() as files:
            output, path = self._scan(lease, measuring, files)
            if path is None or policy.document.same_bytes != "snapshot":
                return output, None
            if output.evidence.obstacle is not None:
                # It may be no model at all, and what a runner can read is not for everybody.
                return output, None
            try:
                return output, self._parts.keep(path, output.evidence.model.digest)
            except XrayGateError as error:
                reason = str(error)
            except Exception as error:
                reason = _bug(error)
        _logger.warning("%s: the scanned bytes are not kept: %s", lease.registration.key, reason)
        evidence = output.evidence
        # A pass would be one for whatever lies there later; a suspicion stands without.
        if decide(policy, evidence).verdict is Verdict.PASSED:
            evidence = replace(evidence, obstacle=reason)
        return replace(output, evidence=evidence), None

    def _scan(
        self, lease: Lease, policy: Policy, files: ExitStack
    ) -> tuple[ScanOutput, Path | None]:
        """What the scan found, and the files that it speaks of, which `files` holds on to."""
        ref = f"models:/{lease.registration.key}"
        try:
            return self._scan_files(lease, policy, ref, files)
        except XrayGateError as error:
            reason = str(error)
        except Exception as error:
            _logger.exception("the scan of %s failed", ref)
            reason = _bug(error)
        return unscannable(ref, policy, reason, datetime.now(UTC)), None

    def _scan_files(
        self, lease: Lease, policy: Policy, ref: str, files: ExitStack
    ) -> tuple[ScanOutput, Path]:
        parts = self._parts
        if lease.registration.attempts > parts.max_attempts:
            raise ScanError(
                f"the scan was started {parts.max_attempts} times and never came to an end; look "
                "at the runner's log, then register the version again"
            )
        path = files.enter_context(parts.fetch(lease.registration.location))
        with (
            self._champion(lease, policy) as champion,
            self._logged_training(lease, policy) as logged,
        ):
            return parts.scan(path, ref, policy, champion, logged), path

    @contextmanager
    def _champion(self, lease: Lease, policy: Policy) -> Iterator[Champion | None]:
        """The admitted version to compare with; None where there is none or it cannot be had.

        The comparison only adds suspicion, so a scan without it is a scan as of the first version.
        """
        with ExitStack() as stack:
            found: Champion | None = None
            try:
                wanted = policy.document.detectors.compare_with_a_champion
                champion = self._parts.queue.champion_for(lease) if wanted else None
                if champion is not None:
                    path = stack.enter_context(self._parts.fetch(champion.location))
                    found = Champion(f"models:/{champion.key}", path)
            except Exception:
                _logger.exception("the champion of %s cannot be had", lease.registration.key)
            yield found

    @contextmanager
    def _logged_training(
        self, lease: Lease, policy: Policy
    ) -> Iterator[TrainingFiles | MissingTraining | None]:
        """The data that the model's run logged, where the policy wants those, or why it has none.

        A registrant has them in hand, so they must not keep the other detectors from their work.
        """
        with ExitStack() as stack:
            found: TrainingFiles | MissingTraining | None = None
            try:
                if policy.wants_logged_training_data:
                    origin = self._parts.queue.origin_of(lease)
                    found = stack.enter_context(self._parts.fetch_training(origin))
            except XrayGateError as error:
                found = MissingTraining(str(error))
            except Exception as error:
                _logger.exception("the data of %s cannot be had", lease.registration.key)
                found = MissingTraining(_bug(error))
            yield found

    def _publish(
        self,
        lease: Lease,
        output: ScanOutput,
        decision: Decision,
        policy: Policy,
        attestation: str | None,
    ) -> str | None:
        key = lease.registration.key
        try:
            return self._parts.publish(key, output, decision, policy, attestation)
        except Exception:
            # The verdict rests on the ledger. A tracking server that is down must not keep a
            # version pending, and the missing link shows in `xray-gate status`.
            _logger.exception("the report of %s could not be logged", key)
            return None


def _bug(error: Exception) -> str:
    return f"a bug of ours: {type(error).__name__}: {error}; please report it with the runner's log"


@contextmanager
def _renewed(queue: WorkQueue, lease: Lease, every_seconds: float) -> Iterator[None]:
    """Keep a lease alive from a thread while the scan runs."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(every_seconds):
            try:
                queue.renew(lease)
            except LeaseLost:
                # The scan finds out when it records its result: that is refused.
                return
            except Exception:
                _logger.exception("the lease on %s could not be renewed", lease.registration.key)

    thread = threading.Thread(target=renew, name="xray-gate-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
