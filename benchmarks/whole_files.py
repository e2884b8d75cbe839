"""Arrays written so that an interrupted run leaves no half file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_npz(path: Path, **arrays: npt.ArrayLike) -> None:
    """Write a compressed .npz beside ``path`` and then put it there."""
    draft = path.with_name(f".{path.name}.tmp")
    # A file object, because savez appends .npz to a name that does not end in it.
    with draft.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    draft.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text beside ``path`` and then put it there."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
