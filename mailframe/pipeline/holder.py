"""Content that needs no store: a message too big for memory rests in an unlinked file until it is delivered."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from typing import IO

from zope.interface import implementer

from mailframe.interfaces.content import IReadableContent, IStaged
from mailframe.model.refusal import NoSuchMessage
from mailframe.sqlite.errors import refusal_for


@implementer(IReadableContent)
class Holder:
    """Holds staged content for deliveries that cannot share it and for filters; gone with the process, never a promise (I1).

    Reads and writes are of the page cache, in the pieces that the wire gives; whoever sealed calls `drop`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._numbers = count(1)

    async def stage(self) -> IStaged:
        """Raises StorageFull, or TryAgainLater when no file can be made for another reason."""
        try:
            # Not buffered: what is written has room, and closing cannot fail for octets that have none.
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - lives until drop
        except OSError as error:
            raise refusal_for(error, "") from error
        staged: IStaged = _Held(self._files, str(next(self._numbers)), file)
        return staged

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        """Raises NoSuchMessage after `drop`."""
        file = self._files.get(content_id)
        if file is None:
            raise NoSuchMessage(detail=f"held content {content_id}")
        file.seek(offset)
        return file.read(size)

    def drop(self, content_id: str) -> None:
        """The delivery is over."""
        file = self._files.pop(content_id, None)
        if file is not None:
            file.close()


@implementer(IStaged)
class _Held:
    def __init__(self, files: dict[str, IO[bytes]], content_id: str, file: IO[bytes]) -> None:
        self._files = files
        self._id = content_id
        self._file = file

    async def write(self, octets: bytes) -> None:
        view = memoryview(octets)
        try:
            while view:
                view = view[self._file.write(view):]
        except OSError as error:
            raise refusal_for(error, "") from error

    async def seal(self) -> str:
        self._files[self._id] = self._file
        return self._id

    def abort(self) -> None:
        self._file.close()
