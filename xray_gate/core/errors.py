"""The errors that xray-gate raises on purpose.

    XrayGateError
    ├── InputError             unreadable or unusable input: probes, model file, options
    │   ├── PolicyError        a policy file does not say what it must
    │   └── ShapeMismatch      probes and model do not fit together
    ├── ScanError              the scan could not be carried out: never a pass
    │   ├── ModelProcessError  the process that holds the model died, lied or ran out of time
    │   ├── ModelAnswerError   the model's answers are not those of a classifier
    │   ├── NoGradients        the model shows no gradients, or none that agree with its answers
    │   ├── BudgetExhausted    a detector asked for more queries than it was given
    │   └── Unavailable        a store or a disk that a scan needs fails: another try may do
    └── LeaseLost              another runner took over the version

Every message names what is wrong and ends in what to do next.
"""


class XrayGateError(Exception):
    """Base of all expected errors."""


class InputError(XrayGateError):
    """Something that the caller gave cannot be read or used (exit code 2)."""


class PolicyError(InputError):
    """A policy is missing, malformed or contradictory."""


class ShapeMismatch(InputError):
    """The probes, after the declared preprocessing, do not fit the model's input."""


class ScanError(XrayGateError):
    """A scan could not be carried out (the verdict is undecided, exit code 3)."""


class ModelProcessError(ScanError):
    """The model's process crashed, exceeded a limit or broke the protocol."""


class ModelAnswerError(ScanError):
    """The model answered, but not as a classifier does: NaN, wrong class count, unstable labels."""


class NoGradients(ScanError):
    """Gradients cannot be had of a model, or do not agree with its answers."""


class BudgetExhausted(ScanError):
    """A detector tried to spend more queries than its budget."""


class Unavailable(ScanError):
    """What a scan needs besides the model cannot be had now; it may be later."""


class LeaseLost(XrayGateError):
    """The runner no longer holds the lease on the version that it scanned."""
