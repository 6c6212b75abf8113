"""Makes a message fit for a next hop that takes no 8-bit or no binary octets, or says why that cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from mailframe.interfaces.delivery import IMessageSource
from mailframe.interfaces.maybe import settled
from mailframe.mime.convert import CannotConvert, Kind, Look, Piece, Treatment, checked, pieces, relabelled, treatment
from mailframe.mime.header import has_field
from mailframe.mime.scan import Scanner
from mailframe.model.envelope import Envelope
from mailframe.model.refusal import TryAgainLater

from .delivery import Collected
from .shortened import Returned, header_part, returned

_BLOCK = 65_536         # octets read, looked at and written at once: a millisecond's work (I2), and what is held (I3)

Pause = Callable[[], Awaitable[None]]


def width(body: str, offers: Mapping[str, str]) -> str:
    """The widest BODY that a host with these EHLO keywords takes, no wider than `body` wants."""
    if body == "BINARYMIME" and "BINARYMIME" in offers and "CHUNKING" in offers:
        return "BINARYMIME"
    return "8BITMIME" if "8BITMIME" in offers or "SMTPUTF8" in offers else "7BIT"      # RFC 6531 section 3.1, item 8


class Fitting:
    """One message in the widths that its hosts need, each made once. `pause` is awaited often, to leave the reactor to others."""

    def __init__(self, envelope: Envelope, head: bytes, source: IMessageSource, memory_octets: int, pause: Pause) -> None:
        self._envelope = envelope
        self._body = envelope.body
        self._whole = _Whole(head, source)
        self._memory = memory_octets
        self._pause = pause
        self._made: dict[str, Collected | CannotConvert | None] = {}

    async def fitted(self, offers: Mapping[str, str]) -> tuple[str, IMessageSource | None]:
        """(what BODY is now, the converted message with its head, or None: it can go as it is). Raises CannotConvert."""
        width_there = width(self._body, offers)
        if width_there == self._body == "BINARYMIME":
            return self._body, None
        if width_there not in self._made:
            try:
                self._made[width_there] = await self._make(width_there == "8BITMIME")
            except CannotConvert as error:
                self._made[width_there] = error
        made = self._made[width_there]
        if isinstance(made, CannotConvert):
            raise made
        return (self._body if made is None and self._body != "BINARYMIME" else width_there), made

    def close(self) -> None:
        """Let go of what was made."""
        for made in self._made.values():
            if isinstance(made, Collected):
                made.close()
        self._made.clear()

    async def _make(self, eight: bool) -> Collected | None:
        """None: it needs no change."""
        if self._body != "BINARYMIME" and (eight or await self._narrow()):
            return None
        scanner = Scanner()
        async for octets in self._read(0, self._whole.size):
            scanner.feed(octets)
        index = scanner.finish()
        made = Collected(self._memory)
        try:
            await self._write(list(pieces(index)), eight, made)
        except CannotConvert:
            made.close()
            place = returned(index) if self._envelope.sender is None else None
            if place is None:
                raise
            return await self._shorten(place, eight)
        except BaseException:
            made.close()
            raise
        return made

    async def _shorten(self, place: Returned, eight: bool) -> Collected:
        """A report of which not all can go there: nobody would ever be told that it was lost, so less of it goes."""
        short = Collected(self._memory)
        try:
            async for octets in self._read(0, place.start):
                short.add(octets)
            header = [octets async for octets in self._read(place.header, place.header_end)]
            short.add(header_part(b"".join(header), place.wide))
            async for octets in self._read(place.end, self._whole.size):
                short.add(octets)
            made = await Fitting(self._envelope, b"", short, self._memory, self._pause)._make(eight)
        except BaseException:
            short.close()
            raise
        if made is None:
            return short
        short.close()
        return made

    async def _narrow(self) -> bool:
        async for octets in self._read(0, self._whole.size):
            if not octets.isascii():
                return False
        return True

    async def _write(self, found: list[Piece], eight: bool, made: Collected) -> None:
        done, sealed = Treatment(), False
        for place, piece in enumerate(found):
            if piece.kind is Kind.HEADER:
                look = await self._look(found[place + 1] if piece.leaf else None)
                done = treatment(piece, look, eight=eight)
                block = await self._whole.read(piece.start, piece.end - piece.start)
                sealed = sealed or (place == 0 and has_field(block, b"dkim-signature"))
                if sealed and self._envelope.sender is not None and done.label is not None:
                    raise CannotConvert("it is signed (DKIM)")
                made.add(relabelled(checked(block, eight), piece, done))
            elif piece.kind is Kind.BODY and done.encoder is not None:
                await self._encode(piece, done, made, last=piece.end == self._whole.size)
            else:
                async for octets in self._read(piece.start, piece.end):
                    made.add(checked(octets, eight))

    async def _look(self, body: Piece | None) -> Look:
        look = Look()
        if body is not None:
            async for octets in self._read(body.start, body.end):
                look.feed(octets)
        return look.finish()

    async def _encode(self, piece: Piece, done: Treatment, made: Collected, *, last: bool) -> None:
        encoder, decoder = done.encoder, done.decoder
        assert encoder is not None
        async for octets in self._read(piece.start, piece.end):
            made.add(encoder.feed(octets if decoder is None else decoder.feed(octets)))
        if decoder is not None:
            made.add(encoder.feed(decoder.finish()))
        made.add(encoder.finish(last=last))

    async def _read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Raises what the source raises."""
        while start < end:
            octets = await self._whole.read(start, min(_BLOCK, end - start))
            if not octets:
                raise TryAgainLater(detail=f"content ended at {start} of {end} octets")
            yield octets
            start += len(octets)
            await self._pause()


class _Whole:
    """Head and content as one message."""

    def __init__(self, head: bytes, source: Any) -> None:
        self._head = head
        self._source = source
        self.size = len(head) + source.size

    async def read(self, offset: int, size: int) -> bytes:
        """As many as asked for, fewer at the end only."""
        pieces = [self._head[offset:offset + size]]
        size -= len(pieces[0])
        at = max(offset - len(self._head), 0)
        while size > 0:
            octets: bytes = await settled(self._source.read(at, size))
            if not octets:
                break
            pieces.append(octets)
            size, at = size - len(octets), at + len(octets)
        return b"".join(pieces)
