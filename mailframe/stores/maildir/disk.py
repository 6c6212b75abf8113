"""What is done to files, in threads: durable writing, placing, renaming, removing. Nothing here runs in the reactor's thread."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from mailframe.model.refusal import Refusal, StorageFull, TryAgainLater

T = TypeVar("T")
log = Logger()

FOLDERS = ("cur", "new", "tmp")
OWN = "mailframe-"          # begins the names of what we put into an account's tmp for a moment

_FULL = {errno.ENOSPC, errno.EDQUOT}
_WRITERS = 4                # threads that write mail at once: each of their steps waits for the interpreter, and makes it wait
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}


class Disk:
    """Runs work in the reactor's threads (I2); what the system refuses comes back as a refusal, with a line in the log."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._writing = DeferredSemaphore(_WRITERS)
        self._troubled = ""

    async def write(self, work: Callable[..., T], *arguments: Any) -> T:
        """As `run`, for what writes mail: a few at once."""
        await self._writing.acquire()
        try:
            return await self.run(work, *arguments)
        finally:
            self._writing.release()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Raises FileNotFoundError as it is, other trouble as StorageFull or TryAgainLater."""
        try:
            answer: T = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work, *arguments)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self.refusal(error) from error
        if self._troubled:
            self._troubled = ""
            log.info("the Maildir files can be used again")
        return answer

    def refusal(self, error: OSError) -> Refusal:
        """What trouble with files means to a peer; the first of its kind is logged."""
        kind = StorageFull if error.errno in _FULL else TryAgainLater
        where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "its files"
        said = f"{error.strerror or error} ({where})"
        if error.strerror != self._troubled:            # one line for one trouble, however many wait for its end
            self._troubled = error.strerror or str(error)
            log.error("Maildir cannot use {said}; senders and mail programs are told to try again", said=said)
        return kind(detail=said)


def sync_folder(path: str | Path) -> None:
    """Without this a power cut may forget which names are in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: bytes) -> int:
    """A new file's descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_all(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view):]


def finish(descriptor: int, date: int) -> None:
    """Date it (the INTERNALDATE is the file's time), and make its octets durable."""
    os.utime(descriptor, (date, date))
    os.fsync(descriptor)


def write_file(path: bytes, octets: bytes, date: int) -> None:
    """A whole new file, durable but for its name; nothing is left of one that cannot be written."""
    descriptor = create(path)
    try:
        try:
            write_all(descriptor, octets)
            finish(descriptor, date)
        finally:
            os.close(descriptor)
    except OSError:
        remove((path,))
        raise


def replace_file(path: Path, octets: bytes) -> None:
    """A small file of one account or folder, exchanged in one step and durably."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    remove((os.fsencode(beside),))
    descriptor = create(os.fsencode(beside))
    try:
        write_all(descriptor, octets)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(beside, path)
    sync_folder(path.parent)


def read_file(path: Path) -> bytes:
    """b"" where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def remove(paths: Iterable[bytes]) -> None:
    """Those that are there."""
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


def clear_away(paths: Iterable[bytes]) -> None:
    """As `remove`, on the way out of a failure: what cannot be removed is found at the next look, as if others had put it there."""
    for path in paths:
        try:
            os.unlink(path)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.warn("cannot remove {path}: {error}", path=os.fsdecode(path), error=error)


def rename_all(pairs: Sequence[tuple[bytes, bytes]]) -> list[int]:
    """Rename each; the places in `pairs` of those whose file was not there. Raises OSError, with some done."""
    missing: list[int] = []
    for place, (old, new) in enumerate(pairs):
        try:
            os.rename(old, new)
        except FileNotFoundError:
            missing.append(place)
    return missing


def link(old: bytes, new: bytes) -> None:
    """A second name for a message; a second file where there can be no such name. Raises FileNotFoundError."""
    try:
        os.link(old, new)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        copy(old, new)


def copy(old: bytes, new: bytes) -> None:
    try:
        shutil.copy2(old, new)
        descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        remove((new,))
        raise


def make_maildir(path: Path) -> None:
    """cur, new and tmp, where they are missing."""
    for name in FOLDERS:
        (path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
