"""The form of a policy for editors, which complete and check while somebody types."""

from typing import Any

from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.exception_document import ExceptionDocument

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """JSON Schema of a policy file.

    It knows the keys, types and ranges; what several settings must be together is known to
    `xray-gate policy check` only.
    """
    schema = PolicyDocument.model_json_schema(by_alias=True)
    return {"$schema": _DIALECT, **schema, "title": "xray-gate policy, v1"}


def exception_schema() -> dict[str, Any]:
    """JSON Schema of an exception's file; whether it counts is known to `policy check` only."""
    schema = ExceptionDocument.model_json_schema(by_alias=True)
    return {"$schema": _DIALECT, **schema, "title": "xray-gate exception, v1"}
