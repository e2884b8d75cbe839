"""A runner's temporary files in one folder, which the next runner removes if this one is killed.

They are copies of models: a machine whose runners are killed again and again would be full of them.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "xray-gate-runner-"
_LOCK = "lock"


@contextmanager
def own_temporary_files() -> Iterator[Path]:
    """The folder that this process makes its temporary files in until the context ends.

    First removes those of this user's runners that have ended without doing so themselves.
    """
    place = Path(tempfile.gettempdir())
    for folder in place.glob(f"{_PREFIX}*"):
        _remove_if_left(folder)
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        own = Path(name)
        lock = os.open(own / "new", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Named only when it is locked: nobody may find it free in between.
            fcntl.flock(lock, fcntl.LOCK_EX)
            (own / "new").rename(own / _LOCK)
            tempfile.tempdir = name
            yield own
        finally:
            tempfile.tempdir = before
            os.close(lock)


def _remove_if_left(folder: Path) -> None:
    """Remove the folder of a runner that is gone; its lock went with it."""
    try:
        if folder.lstat().st_uid != os.geteuid():
            return
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
