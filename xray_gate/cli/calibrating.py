"""The course of a calibration: what is named is looked at, then scored one by one."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xray_gate.cli.foreign import echo
from xray_gate.cli.progress import ProgressLine
from xray_gate.cli.reference_models import once_each
from xray_gate.core.errors import InputError
from xray_gate.policy.calibration import Reference
from xray_gate.policy.files import Policy, calibrated_bounds
from xray_gate.policy.sufficiency import reach, same_scores, shortfalls
from xray_gate.registry.admitted import AdmittedModels
from xray_gate.scan.calibrating import Calibrating, ReferenceModel
from xray_gate.scan.calibration_draft import CalibrationDraft


def require_a_level_that_can_be_kept(policy: Policy, level: float | None) -> None:
    """Raise `InputError` for a level under a policy that promises none."""
    if level is not None and _judges_by_f1(policy):
        raise InputError(
            f"the policy {policy.name} judges by method f1, which promises no level; leave --level "
            "out, or set thresholds.method to conformal"
        )


def without_passwords(arguments: Sequence[str]) -> list[str]:
    """The arguments as a file may keep them: its readers need not know a database's password."""
    return [re.sub(r"(://[^:@/]*):.*@", r"\1:***@", argument) for argument in arguments]


@dataclass(frozen=True)
class CalibrationRun:
    """One attempt. Everything but the result is said on stderr, as it happens."""

    job: Calibrating
    draft: CalibrationDraft
    level: float | None
    progress: ProgressLine

    def references(
        self, paths: Sequence[tuple[Path, str | None]], admitted: AdmittedModels
    ) -> list[Reference]:
        """The scores of the files (with their groups) and of the versions out of a registry.

        Raises `InputError` where they are too few for what is asked of them, and for one that
        cannot be a reference; what has been scored by then is kept in the draft.
        """
        known = self.draft.read()
        models = self._models(paths, admitted, known)
        self._require_enough(models)
        with self._told_where_they_are_kept():
            references = [
                self._scored(model, known.get(model.digest), f"{number}/{len(models)}")
                for number, model in enumerate(models, 1)
            ]
        for text in same_scores(references):
            _say(f"note: {text}")
        return references

    def _models(
        self,
        paths: Sequence[tuple[Path, str | None]],
        admitted: AdmittedModels,
        known: dict[str, Reference],
    ) -> list[ReferenceModel]:
        given: list[ReferenceModel] = []
        for path, group in paths:
            self.progress("opening", len(given), len(paths))
            given.append(self.job.local_model(path, group, known))
        self.progress.close()
        models, twins = once_each(given, admitted.models)
        for text in [*admitted.left_out, *twins]:
            _say(f"left out: {text}")
        return models

    def _require_enough(self, models: Sequence[ReferenceModel]) -> None:
        rule = calibrated_bounds(self.job.policy.document)
        for text in reach(rule, models):
            _say(text)
        if self.level is None and not _judges_by_f1(self.job.policy):
            return
        if lacking := shortfalls(rule, models, self.level):
            raise InputError(
                f"nothing was scanned, as the references are too few: {'; '.join(lacking)}"
            )

    def _scored(self, model: ReferenceModel, known: Reference | None, place: str) -> Reference:
        if known is None:
            reference = self.job.reference(model)
            self.draft.keep(reference)
        else:
            reference = known.model_copy(update={"name": model.name, "group": model.group})
        self.progress.close()
        group = "" if model.group is None else f" ({model.group})"
        before = "" if known is None else ", scored before"
        _say(f"{place} {model.name}{group}: probe accuracy {reference.probe_accuracy:.1%}{before}")
        return reference

    @contextmanager
    def _told_where_they_are_kept(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # Also when somebody interrupts it.
            if self.draft.kept:
                _say(
                    f"{self.draft.kept} scored reference(s) are kept in {self.draft.path}; the "
                    "same command goes on from there"
                )
            raise


def _judges_by_f1(policy: Policy) -> bool:
    rule = calibrated_bounds(policy.document)
    return rule is not None and rule.method == "f1"


def _say(text: str) -> None:
    echo(text, err=True)
