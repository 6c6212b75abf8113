"""One message while FETCH or SEARCH looks into its octets: what was read once is kept until it is done with."""

from __future__ import annotations

from typing import Any

from mailframe.interfaces.maybe import settled, waits
from mailframe.interfaces.store import IMailbox
from mailframe.mime.attributes import attributes, from_scan
from mailframe.mime.header import split_header
from mailframe.mime.imapstring import imap_string
from mailframe.mime.index import Index
from mailframe.mime.preview import candidates, octets_of, preview_of
from mailframe.mime.scan import Scanner
from mailframe.mime.section import Text, locate
from mailframe.model.mailbox import Attributes, Field
from mailframe.model.refusal import NoSuchMessage
from mailframe.pacing.breath import Breath

SLICE = 262_144             # octets read at once; a message up to this is read whole before its literal is announced
HEADER_FIRST = 16_384       # most header blocks end within this
MAX_HEADER = 1_048_576      # beyond it a header block is no longer looked through for fields


class Message:
    """Reads lazily. Every method may raise NoSuchMessage. `index` is the stored one (b"": none)."""

    __slots__ = ("_all", "_breath", "_header_end", "_index", "_kept", "_mailbox", "_packed", "_size", "attributes", "uid")

    def __init__(self, mailbox: IMailbox, uid: int, breath: Breath, *, size: int | None = None, index: bytes = b"") -> None:
        self.uid = uid
        self.attributes: Attributes | None = None       # made here because the store had none; worth remembering
        self._mailbox, self._breath = mailbox, breath
        self._size, self._packed = size, index
        self._kept = b""                                # the message's first octets
        self._all = False                               # they are the whole message
        self._header_end: int | None = None
        self._index: Index | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it has been read."""
        return self._all

    @property
    def stored_index(self) -> Index | None:
        """The store's, if it keeps one."""
        return Index.unpack(self._packed) if self._packed else None

    async def start(self, size: int) -> bytes:
        """At least the first `size` octets, or all there are."""
        while not self._all and len(self._kept) < size:
            wanted = min(size - len(self._kept), SLICE)
            answer: Any = self._mailbox.read(self.uid, len(self._kept), wanted)
            more = await answer if waits(answer) else answer
            self._kept += more
            self._all = len(more) < wanted
            await self.breathe()
        return self._kept

    async def read(self, offset: int, size: int) -> bytes:
        """Shorter at the end."""
        if self._all or offset + size <= len(self._kept):
            return self._kept[offset:offset + size]
        if not offset and size <= SLICE:
            return (await self.start(size))[:size]
        octets: bytes = await settled(self._mailbox.read(self.uid, offset, size))
        return octets

    async def whole(self) -> bytes | None:
        """All of it, if it is small enough to be read at once."""
        if not self._kept:
            answer: Any = self._mailbox.read(self.uid, 0, SLICE)
            self._kept = await answer if waits(answer) else answer
            self._all = len(self._kept) < SLICE
            await self.breathe()
        return self._kept if self._all else None

    async def size(self) -> int:
        """In octets."""
        if not self._all and len(self._kept) < SLICE:
            await self.start(SLICE)
        if self._all:
            return len(self._kept)
        if self._size is None:
            rows = await settled(self._mailbox.rows(((self.uid, self.uid),), 1, Field.SIZE))
            if not len(rows):
                raise NoSuchMessage
            self._size = rows.sizes[0]
        return self._size

    async def breathe(self) -> None:
        """Let others have their turn, when it is time."""
        if self._breath.due:
            await self._breath.take()

    async def header_end(self) -> int:
        """Octets of the header block with its empty line; the whole message if that never comes."""
        if self._header_end is None:
            size = HEADER_FIRST
            while True:
                octets = await self.start(size)
                end = split_header(octets)
                if self._all or end < len(octets) or octets.endswith((b"\n\r\n", b"\n\n")):
                    break
                if size > MAX_HEADER:           # no header of anybody's: not worth the memory
                    end = (await self.index()).parts[0].body
                    break
                size *= 4
            self._header_end = end
        return self._header_end

    async def header(self) -> bytes:
        """The header block, cut at MAX_HEADER."""
        return await self.read(0, min(await self.header_end(), MAX_HEADER))

    async def index(self) -> Index:
        """Where the parts stand: the stored index, or one made now."""
        if self._index is None:
            self._index = self.stored_index
        if self._index is None:
            made = await self.make_attributes()
            self._index = self._index or Index.unpack(made.index)
        return self._index

    async def make_attributes(self) -> Attributes:
        """What a store could have kept, from the octets; a large message is scanned in slices."""
        if self.attributes is None:
            octets = await self.start(SLICE)
            if self._all:
                self.attributes = attributes(octets)
            else:
                self._index = await self._scan()
                self.attributes = from_scan(self._index, await self.header(), b"")
            await self._breath.take()
        return self.attributes

    async def _scan(self) -> Index:
        scanner = Scanner()
        offset = 0
        while octets := await self.read(offset, SLICE):
            scanner.feed(octets)
            offset += len(octets)
            await self._breath.take()
        return scanner.finish()

    async def preview(self) -> bytes:
        """The first words, as a finished string (RFC 8970)."""
        if not self._packed:
            made = await self.make_attributes()
            if made.preview:
                return made.preview
        for part in candidates(await self.index()):
            words = preview_of(await self.read(part.body, octets_of(part)), part)
            if words:
                return imap_string(words.encode())
        return imap_string(b"")

    async def locate(self, part: tuple[int, ...], text: Text) -> tuple[int, int] | None:
        """(offset, size) of a section (RFC 3501 section 6.4.5); `text` is "", HEADER, TEXT or MIME; None: no such part."""
        if part:
            return locate(await self.index(), part, text)
        if not text:
            return 0, await self.size()
        end = await self.header_end()
        return (0, end) if text == "HEADER" else (end, max(await self.size() - end, 0))
