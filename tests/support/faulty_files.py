"""A file layer below SQLite whose writes and syncs fail when they are told to, in the way that they are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

#: The faults of a disk, as SQLite's errors.
FAULTS: dict[str, type[apsw.Error]] = {"full": apsw.FullError, "input_output": apsw.IOError, "read_only": apsw.ReadOnlyError}


class FaultyFiles(apsw.VFS):
    """The default of all connections opened while it is in use. `arm` lets so many writes and syncs pass, then all fail."""

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._left: int | None = None
        self._fault: type[apsw.Error] = apsw.IOError
        self.base = apsw.vfs_names()[0]
        super().__init__(name, base=self.base, makedefault=True)

    def arm(self, fault: str, passing: int = 0) -> None:
        with self._lock:
            self._fault, self._left = FAULTS[fault], passing

    def disarm(self) -> None:
        """All is well again."""
        with self._lock:
            self._left = None

    def pass_one(self) -> None:
        with self._lock:
            if self._left is None:
                return
            self._left -= 1
            if self._left < 0:
                raise self._fault("the disk has a fault")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, files: FaultyFiles, name: Any, flags: list[int]) -> None:
        self._files = files
        super().__init__(files.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._files.pass_one()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._files.pass_one()
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        self._files.pass_one()
        super().xTruncate(size)


@contextmanager
def faulty_files(name: str) -> Iterator[FaultyFiles]:
    """In use until the end, when every connection opened meanwhile must be closed."""
    files = FaultyFiles(name)
    try:
        yield files
    finally:
        files.disarm()
        files.unregister()
