"""Files compared with what was scanned, before the transaction of a promotion begins.

Fetching them takes seconds, and a transaction would hold the registry for as long. So the store
compares first; the guard, inside the transaction, asks what was found and refuses what was not
compared.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from xray_gate.core.errors import XrayGateError
from xray_gate.core.evidence import ModelFacts
from xray_gate.scan.digest import changes, digest_of, file_digests
from xray_gate.scan.work import ArtifactFetcher, VersionKey

_NAMED = 3


@dataclass(frozen=True)
class ScannedFiles:
    """Where a version's files lie, and what was scanned there."""

    location: str
    model: ModelFacts


@dataclass(frozen=True)
class _Found:
    location: str
    digest: str
    difference: str | None


_found: ContextVar[Mapping[VersionKey, _Found]] = ContextVar("xray_gate_compared")


class Comparison:
    """Compares by fetching; without `fetch`, everything counts as not compared."""

    def __init__(self, fetch: ArtifactFetcher | None) -> None:
        self._fetch = fetch

    @contextmanager
    def of(self, versions: Mapping[VersionKey, ScannedFiles]) -> Iterator[None]:
        """Compare these versions; within the context, `why_not` knows what was found."""
        token = _found.set({key: self._compare(files) for key, files in versions.items()})
        try:
            yield
        finally:
            _found.reset(token)

    def why_not(self, key: VersionKey, location: str, digest: str) -> str | None:
        """Why the version's files are not known to be those that were scanned, or None."""
        found = _found.get({}).get(key)
        if found is None or (found.location, found.digest) != (location, digest):
            return "its files were not compared with what was scanned; ask for it by itself"
        return found.difference

    def _compare(self, files: ScannedFiles) -> _Found:
        scanned = files.model.digest
        if self._fetch is None:
            return _Found(files.location, scanned, "this server has no way to read its files")
        try:
            with self._fetch(files.location) as path:
                difference = _difference(files.model, file_digests(path))
        except XrayGateError as error:
            difference = f"its files cannot be compared with what was scanned: {error}"
        return _Found(files.location, scanned, difference)


def _difference(scanned: ModelFacts, now: Mapping[str, str]) -> str | None:
    if digest_of(now) == scanned.digest:
        return None
    told = [
        f"{word}: {', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''}"
        for word, names in (changes(scanned.files, now) if scanned.files else {}).items()
    ]
    what = f" ({'; '.join(told)})" if told else ""
    return f"its files are not those that were scanned{what}; register it again"
