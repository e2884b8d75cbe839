"""What `xray-gate policy explain` was asked about: policies on disk, or a registered version."""

from pathlib import Path
from typing import Any, Protocol

from xray_gate.cli.foreign import one_line
from xray_gate.cli.status import split_target
from xray_gate.core.errors import InputError
from xray_gate.policy.explanation import explain_policy
from xray_gate.policy.files import PolicySet, read_policies
from xray_gate.policy.settings_tree import settings_of
from xray_gate.scan.work import VersionKey


class Told(Protocol):
    """An explanation, ready for people and for programs."""

    def to_text(self) -> str:
        """For a terminal."""
        ...

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        ...


class _PoliciesTold:
    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies.policies

    def to_text(self) -> str:
        """A paragraph for each policy."""
        told = ["\n".join(map(one_line, explain_policy(one))) for one in self._policies]
        return "\n\n".join(told)

    def to_json(self) -> dict[str, Any]:
        """Each policy with every setting, its default written out, by its path."""
        return {
            "policies": [
                {
                    "name": policy.name,
                    "digest": policy.digest,
                    "settings": settings_of(policy.document),
                }
                for policy in self._policies
            ]
        }


def explained(target: str, registry_uri: str | None, workspace: str) -> Told:
    """The explanation of a policy file, a folder or a version; `InputError` for anything else."""
    path = Path(target)
    name, version = split_target(target)
    if version is None or path.exists():
        return _PoliciesTold(read_policies(path))
    if registry_uri is None:
        raise InputError(
            f"{target}: there is no such file; for a version of the registry give --registry-uri "
            "xray-gate+..."
        )
    # MLflow, which takes seconds to load, is needed for versions only.
    from xray_gate.cli.version_told import VersionTold
    from xray_gate.wiring.explaining import explain_version

    return VersionTold(explain_version(registry_uri, VersionKey(workspace, name, version)))
