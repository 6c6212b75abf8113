"""One message for many accounts: written once, and linked into the folder of everybody who gets the same octets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from mailframe.model.mailbox import New
from mailframe.model.refusal import InternalError, Refusal, TryAgainLater

from . import arriving, disk
from .arriving import Written
from .folder import Folder
from .home import Home
from .shared import Shared

_log = Logger()

Target = tuple[str, str, New]


class Delivery:
    """`home` opens an account. One target's failure is no other's."""

    def __init__(self, shared: Shared, home: Callable[[str], Awaitable[Home]], targets: Sequence[Target]) -> None:
        self._shared = shared
        self._home = home
        self._targets = targets
        self._outcomes: list[Refusal | None] = [None] * len(targets)

    async def deliver(self) -> list[Refusal | None]:
        """One outcome for each target, durable where it is None."""
        alike: dict[tuple[object, bytes, int], list[int]] = {}
        for place, (_, _, message) in enumerate(self._targets):
            content = message.content if isinstance(message.content, str) else id(message.content)
            alike.setdefault((content, message.head, message.date), []).append(place)
        await gatherResults([Deferred.fromCoroutine(self._deliver_alike(places)) for places in alike.values()])
        return self._outcomes

    async def _deliver_alike(self, places: Sequence[int]) -> None:
        """The first that can be written is the pattern of the others, which are linked before it leaves tmp."""
        files: list[tuple[int, Folder, Written]] = []
        for place in places:
            try:
                files.append((place, *await self._begin(place, files[0][2] if files else None)))
            except Exception as error:
                self._outcomes[place] = _refusal(error)
        await gatherResults([Deferred.fromCoroutine(self._add(*each)) for each in files])

    async def _begin(self, place: int, pattern: Written | None) -> tuple[Folder, Written]:
        name, wanted, _ = self._targets[place]
        home = await self._home(name)
        try:
            folder = await home.folder_for_delivery(wanted)
            return folder, await self._write(folder, place, pattern)
        except FileNotFoundError:           # others renamed or removed the folder: once more, with what is there now
            await home.look()
            folder = await home.folder_for_delivery(wanted)
            return folder, await self._write(folder, place, pattern)

    async def _write(self, folder: Folder, place: int, pattern: Written | None) -> Written:
        shared = self._shared
        if pattern is not None:
            return await shared.disk.run(arriving.second, shared.namer, folder.path, pattern)
        return (await arriving.write(shared.disk, shared.index, shared.namer, folder.path, [self._targets[place][2]]))[0]

    async def _add(self, place: int, folder: Folder, written: Written) -> None:
        try:
            await folder.add([written], [self._targets[place][2]])
        except Exception as error:
            await self._shared.disk.run(disk.clear_away, [written.path])
            self._outcomes[place] = _refusal(error)


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, FileNotFoundError):
        return TryAgainLater(detail=f"a folder was being renamed or removed: {error}")
    _log.failure("a delivery to a Maildir failed")
    return InternalError(detail=f"{type(error).__name__}: {error}")
