"""The folder and files of a database: their modes (I9), and the lock that keeps a second server out."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
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
            sync(path.parent)       # without this a power cut may forget that the new file has a name
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


def in_use(path: Path) -> bool:
    """Whether a server has the lock beside `path`; leaves nothing behind."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def sync(path: Path) -> None:
    """Durable on return: a file's octets and size, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def owned_like(path: Path, model: Path) -> None:
    """Give `path` the owner of `model`, where we may: who looks after a server is often root, and the server is not."""
    with suppress(PermissionError):
        os.chown(path, model.stat().st_uid, model.stat().st_gid)
