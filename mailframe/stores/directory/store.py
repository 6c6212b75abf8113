"""The content store over a folder: its life, and reads that take what is in memory at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from mailframe.interfaces.content import IStaged, IVerifiableContent
from mailframe.model.refusal import StorageFull
from mailframe.sqlite.errors import EngineError, refusal_for
from mailframe.sqlite.sweeper import Sweeper

from .place import Place
from .readers import OpenFile, Readers
from .staged import StagedFile

T = TypeVar("T")

_THREADS = 8                # most of them wait for the disk; ones of our own, so that a stuck disk holds up nothing else
_INLINE = 1024 * 1024       # octets copied out of the system's memory in the reactor's thread: a fraction of a millisecond


@implementer(IVerifiableContent)
class DirectoryContent:
    """Content in plain files beneath `path`, files 0600 and folders 0700 (I9).

    A file is whole and on the disk before it has its name, and the name is on the disk before `seal` returns (I1). Equal octets
    share one file under several names, so that the kernel counts who needs it, and removing one name takes no other away.
    """

    def __init__(self, path: Path, reactor: Any) -> None:
        self.path = path
        self._reactor = reactor
        self._place = Place(path)
        self._readers = Readers(reactor.seconds)
        self._pool: ThreadPool | None = None
        self._working: set[Deferred[Any]] = set()
        self._staging: set[StagedFile] = set()
        self._closer = Sweeper("open files", self._close_idle, reactor)
        self._at_once = hasattr(os, "RWF_NOWAIT")

    async def start(self) -> None:
        """Raises EngineError with a sentence for people. Once started, does nothing."""
        if self._pool is not None:
            return
        self._pool = ThreadPool(0, _THREADS, "content")
        self._pool.start()
        try:
            await self._in_thread(self._place.open)
        except BaseException:
            self._stop_threads()
            raise
        self._closer.start()

    async def close(self) -> None:
        """What is half staged is removed, what is being done is finished. Again, or before a start, does nothing."""
        if self._pool is None:
            return
        self._closer.stop()
        for staged in tuple(self._staging):
            staged.abort()
        while self._working:
            await DeferredList(list(self._working))
        self._readers.close_all()
        self._place.close()
        self._stop_threads()

    async def stage(self) -> IStaged:
        staged = StagedFile(self._place, self._in_thread, self._staging.discard)
        self._staging.add(staged)
        result: IStaged = staged
        return result

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        """What is in the system's memory at once, what is not in a thread (I2)."""
        file = self._readers.take(content_id) or await self._opened(content_id)
        try:
            octets = self._read_at_once(file.descriptor, offset, size) if size <= _INLINE and self._at_once else b""
            if len(octets) < size:
                octets += await self._in_thread(_read, file.descriptor, offset + len(octets), size - len(octets))
            file.at_end = len(octets) < size
            return octets
        finally:
            self._readers.give_back(file)

    async def remove(self, content_ids: Sequence[str]) -> None:
        await self._in_thread(self._place.remove, list(content_ids))
        self._readers.removed(content_ids)

    async def ids(self, after: str, limit: int) -> Sequence[str]:
        return await self._in_thread(self._place.ids, after, limit)

    async def verify(self, content_id: str) -> str | None:
        """See `IVerifiableContent`: the octets are read and summed again."""
        return await self._in_thread(self._place.verify, content_id)

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> Deferred[T]:
        """Fails with a refusal where the disk says no; a sentence for people stays as it is."""
        if self._pool is None:
            raise EngineError(f"the content folder {self.path} is not open")
        deferred: Deferred[T] = deferToThreadPool(self._reactor, self._pool, work, *arguments)
        self._working.add(deferred)

        def done(result: T | Failure) -> T | Failure:
            self._working.discard(deferred)
            if isinstance(result, Failure) and isinstance(result.value, OSError) and not isinstance(result.value, EngineError):
                refusal = refusal_for(result.value, self.path)
                if isinstance(refusal, StorageFull):
                    self._readers.close_all()       # a file without a name takes space as long as it is open
                raise refusal
            return result
        return deferred.addBoth(done)

    async def _opened(self, content_id: str) -> OpenFile:
        return self._readers.add(content_id, await self._in_thread(self._place.reading, content_id))

    def _read_at_once(self, descriptor: int, offset: int, size: int) -> bytes:
        """What can be had without waiting for the disk: perhaps less, perhaps nothing."""
        buffer = bytearray(min(size, max(os.fstat(descriptor).st_size - offset, 0)))
        try:
            count = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT) if buffer else 0
        except BlockingIOError:
            return b""
        except OSError:                     # not on this file system
            self._at_once = False
            return b""
        return bytes(memoryview(buffer)[:count])

    async def _close_idle(self) -> None:
        self._readers.close_idle()

    def _stop_threads(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()


def _read(descriptor: int, offset: int, size: int) -> bytes:
    """Until the end of the file: one call may yield less than was asked for."""
    parts = []
    while size > 0 and (part := os.pread(descriptor, min(size, _INLINE), offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)
