"""The system's calls by which content files are written, failing when they are told to as a disk would fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from mailframe.stores.directory import place, staged

CALLS = ("open", "write", "fdatasync", "rename", "sync")


class FaultyDisk:
    """In the place of `os` in the rooms of `stores.directory`; all calls of the armed name fail, in whatever thread."""

    def __init__(self) -> None:
        self._call, self._errno = "", 0

    def arm(self, call: str, number: int = errno.ENOSPC) -> None:
        self._call, self._errno = call, number

    def disarm(self) -> None:
        self._call = ""

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._failing(name, real) if name in CALLS else real

    def _failing(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if self._call == name:
                raise OSError(self._errno, os.strerror(self._errno))
            return real(*arguments, **named)
        return call


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    """In use until the end."""
    disk = FaultyDisk()
    with ExitStack() as stack:
        for room in (place, staged):
            stack.enter_context(mock.patch.object(room, "os", disk))
        stack.enter_context(mock.patch.object(place, "sync", disk._failing("sync", place.sync)))
        yield disk
