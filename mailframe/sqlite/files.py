"""The folder and files of a database: their modes (I9), and the lock that keeps a second server out."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import EngineError


def prepare(path: Path) -> None:
    """Make the folder (0700) and the file (0600) where they are missing. Raises EngineError.

    SQLite gives the write-ahead log and its index the mode of the file itself, so this mode is enough.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = not path.exists()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if fresh:
            sync_folder(path.parent)
    except OSError as error:
        raise EngineError(f"cannot write the database {path}: {error.strerror}") from None


def lock(path: Path, what: str = "the database", file: Path | None = None) -> int:
    """Take the exclusive lock on `path`, by `file` or one beside it, until the returned descriptor is closed.
    Raises EngineError with a sentence about `what`.

    The lock belongs to the open file, so a crash lets go of it, and two engines of one process exclude each other too.
    """
    descriptor = -1
    try:
        descriptor = os.open(file or path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise EngineError(f"another process is using {what} {path}") from None
        raise EngineError(f"cannot lock {what} {path}: {error.strerror}") from None
    return descriptor


def sync_folder(folder: Path) -> None:
    """Without this a power cut may forget that a new file in `folder` has a name. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
