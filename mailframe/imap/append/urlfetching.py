"""The answers of URLFETCH: for each URL what it names, NIL for any URL that may not be fetched, whatever the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass

from twisted.logger import Logger

from mailframe.model.refusal import NoSuchMessage, Refusal

from .. import writer
from ..connection import Gone
from ..fetching import NUL_SHOWN, Unfulfilled
from ..items.item import Made, Ready, Span
from ..items.message import SLICE
from ..registry import Context
from .referring import Referred

_log = Logger()

Where = Span | bytes | Ready | Made | None


@dataclass(frozen=True, slots=True)
class UrlDatum:
    """What URLFETCH may be asked for of a URL (RFC 5524 section 3). `find` is given the names of all that is asked for, and answers
    None where there is no such thing; `told` is whether that is said (NIL), or left out."""

    name: bytes
    find: Callable[[Referred, Collection[bytes]], Awaitable[Where]]
    told: bool = True


async def answer(context: Context, text: bytes, referred: Referred | None, asked: tuple[UrlDatum, ...]) -> None:
    """``* URLFETCH url nstring``, or with `asked` one parenthesized value for each."""
    out = context.out
    values = await _values(referred, asked) if referred is not None else []
    out.write(b"* URLFETCH " + writer.string(text))
    if referred is None or not values:
        out.write(b" NIL\r\n")
        return
    for name, where in values:
        out.write(b" (%b " % name if name else b" ")
        await _write(context, referred, where)
        if name:
            out.write(b")")
    out.write(b"\r\n")
    if out.full:
        await context.drained()


async def _values(referred: Referred, asked: tuple[UrlDatum, ...]) -> list[tuple[bytes, Where]]:
    """All that is small is read before anything is announced. Without `asked`, the octets themselves, under no name."""
    found: list[tuple[bytes, Where]] = []
    names = [datum.name for datum in asked]
    try:
        if not asked:
            return [(b"", await _read(referred, referred.where))]
        for datum in asked:
            where = await _read(referred, await datum.find(referred, names))
            if where is not None or datum.told:
                found.append((datum.name, where))
    except NoSuchMessage:
        return []
    return found


async def _read(referred: Referred, where: Where) -> Where:
    if isinstance(where, Span) and where.size <= SLICE:
        return await referred.message.read(where.offset, where.size)
    return where


async def _write(context: Context, referred: Referred, where: Where) -> None:
    out = context.out
    if where is None:
        out.write(b"NIL")
    elif isinstance(where, Ready):
        out.write(where.octets)
    elif isinstance(where, bytes):
        out.write(writer.literal(where.replace(b"\0", NUL_SHOWN)))
    elif isinstance(where, Made):
        out.write(b"~{%d}\r\n" % where.size)
        await _stream(context, where.pieces, where.size)
    else:
        out.write(b"{%d}\r\n" % where.size)
        await _stream(context, _shown(referred), where.size)


async def _shown(referred: Referred) -> AsyncIterator[bytes]:
    async for octets in referred.pieces():
        yield octets.replace(b"\0", NUL_SHOWN)


async def _stream(context: Context, pieces: AsyncIterator[bytes], size: int) -> None:
    """A literal that was announced, each piece when the client has taken the last (I3). What breaks it off ends the connection."""
    try:
        async for octets in pieces:
            context.out.write(octets)
            size -= len(octets)
            await context.drained()
    except Gone:
        raise
    except Refusal as refusal:
        _log.warn("a message could not be read to its end: {why}", why=str(refusal))
    except Exception:
        _log.failure("a message could not be read to its end")
    if size:
        raise Unfulfilled
