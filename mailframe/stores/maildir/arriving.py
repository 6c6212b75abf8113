"""Messages on their way into a folder: written to its tmp, durable, before they get the name under which they are mail."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.interfaces.content import IReadableContent
from mailframe.model.mailbox import New
from mailframe.model.refusal import NoSuchMessage, TryAgainLater

from . import disk
from .disk import Disk
from .names import Namer, sizes
from .octets import Shortener, is_lossless, shortened

_PIECE = 1 << 18            # of a large message, read from where it was staged: as much for each of those that arrive at once


@dataclass(frozen=True, slots=True)
class Written:
    """A file in tmp: where, the base name it is to have, and the message's size."""

    path: bytes
    base: bytes
    size: int


async def write(work: Disk, content: IReadableContent, namer: Namer, folder: bytes, messages: Sequence[New]) -> list[Written]:
    """All or none of `messages`. Raises what `Disk.run` raises, and TryAgainLater for content that is gone."""
    written: list[Written] = []
    try:
        here = [message for message in messages if isinstance(message.content, bytes)]
        if here:
            written += await work.write(write_octets, namer, folder, here)
        if len(here) == len(messages):
            return written
        small = iter(list(written))
        in_order = []
        for message in messages:
            if isinstance(message.content, bytes):
                in_order.append(next(small))
            else:
                in_order.append(await _write_content(work, content, namer, folder, message, message.content))
                written.append(in_order[-1])
        return in_order
    except BaseException:
        if written:
            await work.run(disk.clear_away, [each.path for each in written])
        raise


def write_octets(namer: Namer, folder: bytes, messages: Sequence[New]) -> list[Written]:
    """In a thread: messages whose octets are at hand, all or none."""
    written: list[Written] = []
    try:
        for message in messages:
            assert isinstance(message.content, bytes)
            written.append(_write_one(namer, folder, message.head + message.content, message.date))
    except OSError:
        disk.clear_away([each.path for each in written])
        raise
    return written


def _write_one(namer: Namer, folder: bytes, whole: bytes, date: int) -> Written:
    raw = not is_lossless(whole)
    octets = whole if raw else shortened(whole)
    base = namer.base(sizes(len(octets), len(whole), raw))
    path = folder + b"/tmp/" + base
    disk.write_file(path, octets, date)
    return Written(path, base, len(whole))


def second(namer: Namer, folder: bytes, first: Written) -> Written:
    """In a thread: another name for the same octets, in another folder's tmp."""
    base = namer.base(first.base.partition(b",")[2])
    path = folder + b"/tmp/" + base
    disk.link(first.path, path)
    return Written(path, base, first.size)


async def _write_content(
    work: Disk, content: IReadableContent, namer: Namer, folder: bytes, message: New, content_id: str,
) -> Written:
    """A staged message, piece by piece; once more as it is when LF line ends turn out to lose something."""
    for raw in (False, True):
        draft = await work.run(Draft, namer, folder, raw)
        try:
            await work.write(draft.feed, message.head)
            offset = 0
            while octets := await content.read(content_id, offset, _PIECE):
                await work.write(draft.feed, octets)
                offset += len(octets)
                if not draft.faithful:
                    break
            if draft.faithful and (written := await work.write(draft.finish, message.date)):
                return written
        except NoSuchMessage:
            raise TryAgainLater(detail=f"content {content_id} is gone") from None
        finally:
            await work.run(draft.close)
    raise TryAgainLater(detail=f"content {content_id} cannot be written")


class Draft:
    """In threads, one call after the other: a file in tmp that grows."""

    def __init__(self, namer: Namer, folder: bytes, raw: bool) -> None:
        self._namer = namer
        self._raw = raw
        self._shortener = Shortener()
        self._path = folder + b"/tmp/" + namer.base()
        self._descriptor = disk.create(self._path)
        self._size = 0
        self._kept = False

    @property
    def faithful(self) -> bool:
        """Whether what is written can be read again as it was given."""
        return self._raw or self._shortener.lossless

    def feed(self, octets: bytes) -> None:
        self._size += len(octets)
        disk.write_all(self._descriptor, octets if self._raw else self._shortener.feed(octets))

    def finish(self, date: int) -> Written | None:
        """Durable; None where it is not faithful."""
        if not self._raw:
            disk.write_all(self._descriptor, self._shortener.finish())
        if not self.faithful:
            return None
        disk.finish(self._descriptor, date)
        length = os.fstat(self._descriptor).st_size
        self._kept = True
        return Written(self._path, self._namer.base(sizes(length, self._size, self._raw)), self._size)

    def close(self) -> None:
        os.close(self._descriptor)
        if not self._kept:
            disk.clear_away([self._path])
