"""Files that are open for reading: few at a time, and some minutes longer than they are wanted or have a name."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence

IDLE_S = 300.0              # a reader that comes back within this goes on, though the file was removed meanwhile
_OPEN = 128                 # descriptors; a process may have 1,024, and every connection needs one


class OpenFile:
    """A descriptor, and how many reads are on it just now."""

    __slots__ = ("at_end", "descriptor", "readers", "used")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.readers = 0
        self.used = 0.0
        self.at_end = False     # the last read came there: nobody is in the middle of it


class Readers:
    """By id, the least recently used first. Only for the reactor's thread; a file is closed when no thread reads it."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._files: OrderedDict[str, OpenFile] = OrderedDict()

    def take(self, content_id: str) -> OpenFile | None:
        """The open file, which stays so until it is given back."""
        file = self._files.get(content_id)
        if file is not None:
            self._files.move_to_end(content_id)
            file.readers += 1
        return file

    def add(self, content_id: str, descriptor: int) -> OpenFile:
        """As `take`, of a file that has just been opened; where somebody else was first, his is used."""
        if content_id in self._files:
            os.close(descriptor)
        else:
            self._files[content_id] = OpenFile(descriptor)
        file = self.take(content_id)
        assert file is not None
        return file

    def give_back(self, file: OpenFile) -> None:
        file.readers -= 1
        file.used = self._seconds()
        if len(self._files) > _OPEN:
            self._close(len(self._files) - _OPEN, before=float("inf"))

    def removed(self, content_ids: Sequence[str]) -> None:
        """Their files have lost their names: only for who is in the middle of one it stays open, and takes space."""
        for content_id in content_ids:
            file = self._files.get(content_id)
            if file is not None and file.at_end and not file.readers:
                os.close(self._files.pop(content_id).descriptor)

    def close_idle(self) -> None:
        self._close(len(self._files), before=self._seconds() - IDLE_S)

    def close_all(self) -> None:
        """But those that a thread reads just now."""
        self._close(len(self._files), before=float("inf"))

    def _close(self, most: int, before: float) -> None:
        """Up to `most` of those that nobody has read since `before`."""
        for content_id in [key for key, file in self._files.items() if not file.readers and file.used <= before][:most]:
            os.close(self._files.pop(content_id).descriptor)
