"""Reading messages from their files; what is read in pieces stays open, so that its reader can finish whatever happens to it."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict

from . import names
from .octets import Places, expanded

SMALL = 65_536              # octets of a file that is read whole each time
_MAX_OPEN = 128             # files: a process has 1,024 by default
_IDLE_S = 600.0             # as long as the SQLite store keeps what was expunged


class OpenFile:
    """A descriptor that outlives the file's name. Used by any thread, one at a time."""

    def __init__(self, descriptor: int, raw: bool) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._places = Places(self._pread, raw)
        self._closed = False
        self.used = time.monotonic()

    def read(self, offset: int, size: int) -> bytes | None:
        """None: it was closed."""
        with self._lock:
            self.used = time.monotonic()
            return None if self._closed else self._places.read(offset, size)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)

    def _pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._descriptor, size, offset)


class OpenFiles:
    """Those that are being read in pieces, by (mailbox, uid)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[int, int], OpenFile] = OrderedDict()

    def read(self, key: tuple[int, int], offset: int, size: int) -> bytes | None:
        """From a file that is open already; None: there is none."""
        with self._lock:
            file = self._files.get(key)
            if file is not None:
                self._files.move_to_end(key)
        return None if file is None else file.read(offset, size)

    def read_from(self, key: tuple[int, int], path: bytes, offset: int, size: int) -> bytes:
        """In a thread. Raises FileNotFoundError."""
        if (known := self.read(key, offset, size)) is not None:
            return known
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raw = names.is_raw(names.base_of(os.path.basename(path)))
        if os.fstat(descriptor).st_size <= SMALL:
            with open(descriptor, "rb", buffering=0) as small:
                octets = small.readall()
            return (octets if raw else expanded(octets))[offset:offset + size]
        file = OpenFile(descriptor, raw)
        octets = file.read(offset, size) or b""
        with self._lock:
            replaced = [self._files.pop(key, None)]
            self._files[key] = file
            while len(self._files) > _MAX_OPEN:
                replaced.append(self._files.popitem(last=False)[1])
        for old in replaced:
            if old is not None:
                old.close()
        return octets

    def sweep(self) -> None:
        """Close what nobody has read for ten minutes."""
        self._close_before(time.monotonic() - _IDLE_S)

    def close(self) -> None:
        self._close_before(float("inf"))

    def _close_before(self, moment: float) -> None:
        with self._lock:
            idle = [(key, file) for key, file in self._files.items() if file.used < moment]
            for key, _ in idle:
                del self._files[key]
        for _, file in idle:
            file.close()
