"""Which policies a commit concerns: those that it changes, and those whose parts it changes."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xray_gate.core.errors import InputError, PolicyError

# Every file of ours has it in its `apiVersion`, and hardly any other has.
_MARK = b"xray-gate/v"
_YAML = frozenset({".yaml", ".yml"})
_MOST_BYTES = 2**20


def places_to_check(changed: Sequence[Path]) -> list[Path]:
    """Policy files, or folders of nothing but policies, that `changed` concerns; in order.

    A changed file of declared results belongs to the policy that it is named after, or to its
    folder; a changed calibration, or evidence, to those that name it. Raises `InputError` where git
    cannot be asked which files there are.
    """
    ours = [path for path in changed if _is_yaml(path) and _is_ours(path)]
    parts = {path.resolve() for path in changed if path.suffix.lower() == ".json"}
    if parts:
        ours += [path for path in _tracked() if not parts.isdisjoint(_parts_of(path))]
    return list(dict.fromkeys(place for path in ours for place in _places(path)))


def _places(path: Path) -> list[Path]:
    """The folder where it holds nothing but policies, as a registry's does; else the file.

    Of an exception in another folder: each policy there, since it may name any of them.
    """
    from xray_gate.policy.exception_document import is_exception_file
    from xray_gate.policy.files import is_test_file, policy_files

    folder = path.parent
    try:
        files = policy_files(folder)
    except PolicyError:
        return [folder]
    policies = [file for file in files if _is_ours(file)]
    if len(policies) == len(files) or not policies:
        return [folder]
    if is_exception_file(path):
        return policies
    if not is_test_file(path):
        return [path]
    own = folder / f"{path.name.rpartition('.test.')[0]}.yaml"
    return [own if own.is_file() else folder]


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_MOST_BYTES)
    except OSError:
        return False


def _tracked() -> list[Path]:
    """Our YAML files of the repository, as git knows them."""
    command = ["git", "grep", "-lzF", "-e", _MARK.decode(), "--", "*.yaml", "*.yml"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell
    except OSError as error:
        raise InputError(f"git cannot be run ({error.strerror}); install it") from error
    # 1: there is none.
    if done.returncode not in (0, 1):
        said = done.stderr.decode(errors="replace").strip()
        raise InputError(f"git cannot list the policies ({said}); run the hook in a repository")
    return [Path(os.fsdecode(name)) for name in done.stdout.split(b"\0") if name]


def _parts_of(path: Path) -> Iterable[Path]:
    """The calibration that a policy names, or the evidence of declared results."""
    from xray_gate.policy.files import is_test_file

    try:
        return list(_evidence_of(path) if is_test_file(path) else _calibration_of(path))
    except PolicyError:
        # Broken, but not by this commit, or it is among the changed files itself.
        return []


def _calibration_of(path: Path) -> Iterator[Path]:
    from xray_gate.policy.files import calibrated_bounds
    from xray_gate.policy.text import parse_document

    bounds = calibrated_bounds(parse_document(path))
    if bounds is not None:
        yield (path.parent / bounds.calibration).resolve()


def _evidence_of(path: Path) -> Iterator[Path]:
    from xray_gate.policy.declared import DeclaredResults
    from xray_gate.policy.text import parse_as

    for case in parse_as(DeclaredResults, path, "file of declared results").cases:
        yield (path.parent / case.evidence).resolve()
