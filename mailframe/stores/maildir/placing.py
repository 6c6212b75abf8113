"""The last step of a delivery: files get their names in new or cur, many together, with one fsync of the directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from . import disk
from .disk import Disk
from .look import mtime, path_of

#: (the file in tmp, whether to put it in new, its name there)
Place = tuple[bytes, bool, bytes]


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a batch: for each unit None or the error; the directories' times before and after, cur first."""

    errors: list[OSError | None]
    before: tuple[int, int]
    after: tuple[int, int]


def place_all(folder: bytes, units: Sequence[Sequence[Place]]) -> Placed:
    """In a thread. Each unit all or none; then all of them are durable."""
    before = mtime(folder + b"/cur"), mtime(folder + b"/new")
    errors: list[OSError | None] = []
    used: set[bool] = set()
    for unit in units:
        done: list[bytes] = []
        try:
            for path, fresh, name in unit:
                target = path_of(folder, fresh, name)
                os.rename(path, target)
                done.append(target)
                used.add(fresh)
        except OSError as error:
            disk.clear_away([*done, *(path for path, _, _ in unit)])
            errors.append(error)
        else:
            errors.append(None)
    for fresh in used:
        disk.sync_folder(os.fsdecode(path_of(folder, fresh, b"")))
    return Placed(errors, before, (mtime(folder + b"/cur"), mtime(folder + b"/new")))


class Placer:
    """All that wait go together, and one batch at a time: twenty writers share each fsync."""

    def __init__(self, work: Disk, folder: Callable[[], bytes], noted: Callable[[Placed], None]) -> None:
        self._disk = work
        self._folder = folder
        self._noted = noted
        self._waiting: list[tuple[Sequence[Place], Deferred[None]]] = []
        self._running = False

    async def place(self, unit: Sequence[Place]) -> None:
        """All or none of `unit`, durably. Raises FileNotFoundError, StorageFull or TryAgainLater."""
        done: Deferred[None] = Deferred()
        self._waiting.append((unit, done))
        if not self._running:
            self._running = True
            Deferred.fromCoroutine(self._run())
        await done

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                placed = await self._disk.write(place_all, self._folder(), [unit for unit, _ in batch])
            except Exception as error:          # handed to each who waits, who knows what to do with it
                for _, done in batch:
                    done.errback(error)
                continue
            self._noted(placed)
            for (_, done), fault in zip(batch, placed.errors):
                if fault is None:
                    done.callback(None)
                else:
                    done.errback(fault if isinstance(fault, FileNotFoundError) else self._disk.refusal(fault))
        self._running = False
