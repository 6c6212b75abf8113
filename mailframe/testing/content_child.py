"""A process that works on a content store and dies by SIGKILL at one step of its file work.

``content_child FACTORY FOLDER POINTS``: it forks for each point, for to start anew takes ten times as long. Folder N gets what
the store keeps, N.log what was said.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import twisted.internet.threads  # noqa: F401 (before the fork, for speed)
from twisted.internet.defer import Deferred

from mailframe.interfaces.maybe import settled

OCTETS = tuple(Random(size).randbytes(size) for size in (100, 600_001, 300_000))
_STEPS = ("write", "fsync", "fdatasync", "rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir")
_write = os.write


class Steps:
    """Counts the calls that change files; the one with the number `last` is not made, of a write only half of it."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last
        for name in _STEPS:
            setattr(os, name, self._counted(name, getattr(os, name)))

    def take(self) -> bool:
        """Whether this is the end."""
        self.count += 1
        return self.count == self._last

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if name == "write" and len(arguments[1]) < 2:       # the reactor waking itself
                return real(*arguments, **named)
            if self.take():
                if name == "write":
                    real(arguments[0], bytes(arguments[1])[:len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)
        return step


class Said:
    """What was promised, line by line in a file that outlives us. Each line is a step, too."""

    def __init__(self, path: Path, steps: Steps) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._steps = steps

    def say(self, *words: object) -> None:
        if self._steps.take():
            os.kill(os.getpid(), signal.SIGKILL)
        _write(self._file, (" ".join(map(str, words)) + "\n").encode())


async def _life(store: Any, said: Said, steps: Steps) -> None:
    """Each kind once: in small and in large, the same again, given up, removed, and the removed one again."""
    await settled(store.start())
    said.say("started", steps.count)
    names = []
    for which in (0, 1, 1, 2):
        names.append(await _kept(store, which))
        said.say("sealed", names[-1], which)
    (await _staged(store, 1)).abort()
    for gone in (names[1], names[3]):
        said.say("removing", gone)
        await settled(store.remove([gone]))
        said.say("removed", gone)
    said.say("sealed", await _kept(store, 2), 2)
    await settled(store.close())
    said.say("ended", steps.count)


async def _staged(store: Any, which: int) -> Any:
    staged = await settled(store.stage())
    for offset in range(0, len(OCTETS[which]), 65_536):
        await settled(staged.write(OCTETS[which][offset:offset + 65_536]))
    return staged


async def _kept(store: Any, which: int) -> str:
    sealed: str = await settled((await _staged(store, which)).seal())
    return sealed


def _live(factory: str, folder: Path, last: int) -> None:
    """Does not return."""
    from twisted.internet.task import react

    module, _, name = factory.partition(":")
    make = getattr(import_module(module), name)
    steps = Steps(last)
    said = Said(folder / f"{last}.log", steps)
    try:
        react(lambda reactor: Deferred.fromCoroutine(_life(make(folder / str(last), reactor), said, steps)))
    except SystemExit as end:
        os._exit(1 if end.code else 0)


def main(factory: str, folder: str, points: str) -> int:
    """0 when each of the `points` (numbers, 0 for never) ended as it should."""
    for last in map(int, points.split(",")):
        child = os.fork()
        if not child:
            _live(factory, Path(folder), last)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status not in ((0, -signal.SIGKILL) if last else (0,)):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
