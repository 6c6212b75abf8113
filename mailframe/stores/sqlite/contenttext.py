"""The text of one content: which of it is kept, made in steps that leave the reactor to others in between."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from mailframe.interfaces.content import IReadableContent
from mailframe.mime.index import Index
from mailframe.mime.scan import Scanner, scan
from mailframe.mime.searchtext import MAX_PIECE, body_text, kept_header
from mailframe.model.refusal import Refusal
from mailframe.pacing.breath import Breath
from mailframe.sqlite.errors import EngineError

from .texts import Text, encoded

log = Logger()


@dataclass(frozen=True, slots=True)
class KeptLimits:
    """Of how large messages text is kept; others are read whenever they are searched."""

    content_octets: int = 1_048_576     # of a message beyond which its body is always read: it may take 10 ms to scan
    text_octets: int = 98_304       # of a text part, the same: 3 ms to decode at worst
    kept_octets: int = 524_288      # of a body's text: a larger one is read, as a row it would hold up other commits


class ContentText:
    """Makes one text after the other."""

    def __init__(self, content: IReadableContent, breath: Breath, limits: KeptLimits | None = None) -> None:
        self._content, self._breath, self._limits = content, breath, limits or KeptLimits()

    async def text(self, content: int, octets: int) -> Text | None:
        """Of the content of that id and size; None where it could not be read."""
        try:
            return await self._made(content, octets)
        except Refusal as refusal:      # gone meanwhile, or cannot be read now: perhaps after the next start
            log.debug("content {content} is passed over: {refusal!r}", content=content, refusal=refusal)
            return None
        except (CancelledError, EngineError):
            raise
        except Exception:               # one message is not to keep others waiting: it is read whenever it is searched
            log.failure("no text for search can be made of content {content}", content=content)
            return Text(content, None, None)

    async def _made(self, content: int, octets: int) -> Text:
        begin = await self._content.read(str(content), 0, MAX_PIECE)
        header = kept_header(begin)
        kept = None if header is None else encoded(header)
        if header is None or octets > self._limits.content_octets:
            return Text(content, kept, None)
        index = scan(begin) if octets <= len(begin) else await self._scanned(content, begin)
        if any(part.end - part.body > self._limits.text_octets for part in index.parts if part.maintype == b"text"):
            return Text(content, kept, None)
        body = encoded(await self._body(content, begin, index))
        return Text(content, kept, body if len(body) <= self._limits.kept_octets else None)

    async def _scanned(self, content: int, begin: bytes) -> Index:
        scanner = Scanner()
        scanner.feed(begin)
        offset = len(begin)
        while octets := await self._content.read(str(content), offset, MAX_PIECE):
            await self._breath.take()
            scanner.feed(octets)
            offset += len(octets)
        return scanner.finish()

    async def _body(self, content: int, begin: bytes, index: Index) -> str:
        steps = body_text(index)
        try:
            offset, size = next(steps)
            while True:
                inside = offset + size <= len(begin)
                octets = begin[offset:offset + size] if inside else await self._content.read(str(content), offset, size)
                await self._breath.take()
                offset, size = steps.send(octets)
        except StopIteration as done:
            text: str = done.value
            return text
