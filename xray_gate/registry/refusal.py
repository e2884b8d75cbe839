"""How the gate says no: MLflow's PERMISSION_DENIED, with a reason and a next step."""

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from xray_gate.core.printable import without_controls

MESSAGE_START = "xray-gate:"
# MLflow's column: PostgreSQL refuses a longer text, SQLite keeps it.
_STATUS_LIMIT = 500


def refusal(message: str) -> MlflowException:
    """The exception that MLflow's server turns into HTTP 403."""
    return MlflowException(f"{MESSAGE_START} {message}", error_code=PERMISSION_DENIED)


def status_text(message: str, next_step: str = "") -> str:
    """A version's status message: at most 500 characters, the next step never cut off."""
    # Reasons quote hostile file names, and a database takes neither NUL nor half a character.
    message = without_controls(message)
    ending = f" {next_step}" if next_step else ""
    room = _STATUS_LIMIT - len(MESSAGE_START) - 1 - len(ending)
    body = message if len(message) <= room else f"{message[: room - 1]}…"
    return f"{MESSAGE_START} {body}{ending}"
