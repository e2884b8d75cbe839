"""What an error of an artifact store or of the tracking server means for a scan."""

from http import HTTPStatus

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from xray_gate.core.errors import ScanError, Unavailable

_NOTHING_THERE = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


def store_error(error: Exception, message: str) -> ScanError:
    """`Unavailable`, or a final `ScanError` where the store was reached and has no such thing.

    Each store comes with errors of its own, so that whatever is not known may pass.
    """
    return ScanError(message) if _is_final(error) else Unavailable(message)


def _is_final(error: Exception) -> bool:
    if isinstance(error, MlflowException):
        return bool(error.error_code == _NOTHING_THERE)
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None) == HTTPStatus.NOT_FOUND
