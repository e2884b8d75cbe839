"""What a scan compares a model with: an admitted version, and the data that it was trained on.

Both only add to a scan: one that cannot be had leaves a scan without it, in the end.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from xray_gate.core.errors import Unavailable, XrayGateError
from xray_gate.policy.files import Policy
from xray_gate.runner.event_log import LogEvent, named
from xray_gate.runner.parts import RunnerParts
from xray_gate.runner.reasons import reason_of
from xray_gate.scan.work import Champion, Lease, MissingTraining, TrainingFiles

_logger = logging.getLogger(__name__)


@contextmanager
def champion(parts: RunnerParts, lease: Lease, policy: Policy) -> Iterator[Champion | None]:
    """The admitted version to compare with; None where there is none or it cannot be had.

    The comparison only adds suspicion, so a scan without it is a scan as of the first version.
    """
    with ExitStack() as stack:
        found: Champion | None = None
        try:
            wanted = policy.document.detectors.compare_with_a_champion
            registration = parts.queue.champion_for(lease) if wanted else None
            if registration is not None:
                path = stack.enter_context(parts.fetch(registration.location))
                found = Champion(f"models:/{registration.key}", path)
        except Exception:
            _logger.exception(
                "the champion of %s cannot be had",
                lease.registration.key,
                extra=named(LogEvent.CHAMPION_MISSING),
            )
        yield found


@contextmanager
def logged_training(
    parts: RunnerParts, lease: Lease, policy: Policy
) -> Iterator[TrainingFiles | MissingTraining | None]:
    """The data that the model's run logged, where the policy wants those, or why it has none.

    A registrant has them in hand, so they must not keep the other detectors from their work: data
    that another try may bring raise `Unavailable` as long as there is one.
    """
    with ExitStack() as stack:
        found: TrainingFiles | MissingTraining | None = None
        try:
            if policy.wants_logged_training_data:
                origin = parts.queue.origin_of(lease)
                found = stack.enter_context(parts.fetch_training(origin))
        except XrayGateError as error:
            if isinstance(error, Unavailable) and parts.retries.follow(lease):
                raise
            found = MissingTraining(str(error))
        except Exception as error:
            _logger.exception(
                "the data of %s cannot be had",
                lease.registration.key,
                extra=named(LogEvent.TRAINING_DATA_MISSING),
            )
            found = MissingTraining(reason_of(error))
        yield found
