"""References that are scored already, kept until the whole calibration can be written.

A calibration takes minutes for each model. What an interruption or a broken model leaves behind is
taken up by the next attempt, if it measures in the same way.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from xray_gate import __version__
from xray_gate.core.errors import InputError
from xray_gate.policy.calibration import Reference, differences, first_problem


class _Contents(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # No calibration, so that no policy can name it as one.
    format: Literal["xray-gate/unfinished-calibration-v1"] = "xray-gate/unfinished-calibration-v1"
    settings: dict[str, Any]
    references: list[Reference]


class CalibrationDraft:
    """The file beside `out`. `settings` are those of the calibration (see `Calibrating`)."""

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.path = out.with_name(f"{out.name}.unfinished.json")
        self._settings = {"xray_gate_version": __version__, **settings}
        self._references: dict[str, Reference] = {}

    def read(self) -> dict[str, Reference]:
        """Digest to the reference that an earlier attempt scored in the same way.

        Raises `InputError` where the file is none, or was made with other settings: what it holds
        is hours of work, which are not thrown away unasked.
        """
        try:
            contents = _Contents.model_validate_json(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.path}: does not hold an unfinished calibration ({first_problem(error)}); "
                "remove it, or name another file with --out"
            ) from error
        if differing := differences(contents.settings, self._settings):
            raise InputError(
                f"{self.path}: holds {len(contents.references)} reference(s) that were scored "
                f"otherwise: {'; '.join(differing)}; take the same settings, or remove it to begin "
                "anew"
            )
        self._references = {reference.digest: reference for reference in contents.references}
        return dict(self._references)

    @property
    def kept(self) -> int:
        """How many references the file holds."""
        return len(self._references)

    def keep(self, reference: Reference) -> None:
        """Add a reference that has just been scored; `InputError` where that cannot be written."""
        self._references[reference.digest] = reference
        contents = _Contents(settings=self._settings, references=list(self._references.values()))
        write_whole(self.path, contents.model_dump_json(indent=1) + "\n")

    def remove(self) -> None:
        """The calibration is written: nothing is unfinished any more."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all; `InputError` where that fails."""
    draft = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: the calibration cannot be written there ({error.strerror}); name a file "
            "with --out"
        ) from error
