"""One file on its way in: gathered, summed and written in threads, while the next octets come."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.content import IStaged

from .place import CHUNK, Place

log = Logger()


class Work:
    """What is done with one file in threads. The lock is for who was cancelled while his thread went on."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path: Path | None = None
        self._descriptor = -1
        self._sum = sha256()
        self._lock = threading.Lock()

    def write(self, chunks: list[bytes]) -> None:
        """Raises OSError, and then nothing is left."""
        with self._lock:
            try:
                self._write(chunks)
            except BaseException:
                self._drop()
                raise

    def keep(self, chunks: list[bytes]) -> str:
        """The id, durable on return; on any trouble nothing is left."""
        with self._lock:
            try:
                self._write(chunks)
                assert self._path is not None
                content_id = self._place.keep(self._path, self._descriptor, self._sum.hexdigest())
                self._path = None
                return content_id
            finally:
                self._drop()

    def drop(self) -> None:
        """Close and remove it; never raises. Once more does nothing."""
        with self._lock:
            self._drop()

    def _write(self, chunks: list[bytes]) -> None:
        if self._path is None:
            self._path, self._descriptor = self._place.begin()
        for octets in chunks:
            self._sum.update(octets)
            view = memoryview(octets)
            while view:
                view = view[os.write(self._descriptor, view):]

    def _drop(self) -> None:
        path, self._path = self._path, None
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if descriptor >= 0:
                os.close(descriptor)
            if path is not None:
                path.unlink(missing_ok=True)
        except OSError as error:            # the next start removes what is left
            log.warn("cannot remove the staged file {path}: {error}", path=path, error=error)


@implementer(IStaged)
class StagedFile:
    """Made by `DirectoryContent.stage`. At most two chunks are in memory: one that is gathered, one that is written."""

    def __init__(self, place: Place, in_thread: Callable[..., Deferred[Any]], ended: Callable[[StagedFile], None]) -> None:
        self._work = Work(place)
        self._in_thread = in_thread
        self._ended = ended
        self._chunks: list[bytes] = []
        self._size = 0
        self._writing: Deferred[Any] | None = None
        self._fault: BaseException | None = None
        self._over = False

    async def write(self, octets: bytes) -> None:
        if self._over:
            raise RuntimeError("write after seal or abort")
        self._chunks.append(bytes(octets))
        self._size += len(octets)
        if self._size < CHUNK:
            return
        await self._written()
        if not self._over and self._size:
            chunks, self._chunks, self._size = self._chunks, [], 0
            self._writing = self._in_thread(self._work.write, chunks).addErrback(self._failed)

    async def seal(self) -> str:
        if self._over:
            raise RuntimeError("seal after seal or abort")
        self._over = True
        try:
            await self._written()
            self._writing = sealing = self._in_thread(self._work.keep, self._chunks)
            content_id: str = await sealing
            return content_id
        except CancelledError:
            self._drop()
            raise
        finally:
            self._chunks = []
            self._ended(self)

    def abort(self) -> None:
        if self._over:
            return
        self._over = True
        self._chunks = []
        self._drop()
        self._ended(self)

    def _drop(self) -> None:
        """After whatever is being done to the file."""
        if self._writing is None:
            return
        if self._writing.called:
            dropping = self._in_thread(self._work.drop)
        else:
            dropping = self._writing.addBoth(lambda _: self._in_thread(self._work.drop))
        dropping.addErrback(lambda failure: log.debug("a staged file stays until the next start: {f.value}", f=failure))

    def _failed(self, failure: Any) -> None:
        self._fault = failure.value

    async def _written(self) -> None:
        """The chunk before is with the system. Raises what went wrong with it, now and ever after."""
        if self._writing is not None:
            waiting: Deferred[None] = Deferred()
            self._writing.addBoth(lambda _: waiting.callback(None))
            await waiting
        if self._fault is not None:
            raise self._fault
