"""A message being taken in: small in memory, large in staged content, its MIME index made as it passes."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from zope.interface import implementer

from mailframe.interfaces.content import IContent, IReadableContent, IStaged
from mailframe.interfaces.filter import IMessageOctets
from mailframe.interfaces.maybe import settled
from mailframe.mime.atonce import Fields
from mailframe.mime.attributes import attributes, from_scan, rendered_preview
from mailframe.mime.header import split_header
from mailframe.mime.index import Index
from mailframe.mime.scan import Scanner, read
from mailframe.model.mailbox import Attributes, New, SharedOctets
from mailframe.model.refusal import MessageTooBig, TryAgainLater

MEMORY_OCTETS = 262_144      # beyond this a commit would hold other sessions up: staged before it instead
HEADER_OCTETS = 1_048_576    # a header block is shown to filters and indexed up to here
_DROPLET = 512               # octets; a smaller piece would cost more memory as an object of its own than it holds


@dataclass(frozen=True, slots=True)
class Finished:
    """A message that is whole: what a store needs to append it."""

    head: bytes                      # complete header lines in front of the content
    content: bytes | str             # the octets, or the id of sealed content
    size: int                        # octets of head and content together
    attributes: Attributes | None    # None: made later, by whoever first needs them
    header: bytes                    # the content's own header block with its empty line, cut at HEADER_OCTETS

    def new(self, flags: int = 0, date: int = 0) -> New:
        """As `IMailbox.append` wants it; `date` is seconds since the epoch."""
        return New(self.content, self.head, flags, date, self.size, self.attributes)


@implementer(IMessageOctets)
class Intake:
    """Takes octets, then gives the message away. Order: add or write*, then seal (or finish), or abort.

    Without `content` (a store that cannot stage) everything stays in memory, whatever its size up to `max_octets`.
    With it, what exceeds `max_memory_octets` goes to staged content, which is the backpressure for a fast sender.
    """

    def __init__(
        self, content: IContent | None, *, max_memory_octets: int = MEMORY_OCTETS, max_octets: int, scan: bool = True,
    ) -> None:
        self._content = content
        self._max_memory = max_memory_octets
        self._max = max_octets
        self._scan = scan
        self._size = 0
        self._chunks: list[bytes] = []
        self._droplets = bytearray()             # after all else: from who sends a few octets at a time
        self._octets: bytes | None = None        # the whole, once sealed in memory
        self._id: str | None = None              # the content's id, once sealed there
        self._staged: IStaged | None = None
        self._scanner: Scanner | None = None
        self._index: Index | None = None
        self._found: Fields | None = None        # of its header, from the same pass
        self._preview = b""                       # of what is in memory
        self._top = bytearray()                  # the first octets of a staged message: at least its header
        self._topped = False                     # they are
        self._header: bytes | None = None

    @property
    def content(self) -> IContent | None:
        """Where it is staged when it is large."""
        return self._content

    @property
    def content_id(self) -> str | None:
        """The sealed content's id; None while unsealed, or when it is in memory."""
        return self._id

    @property
    def in_memory(self) -> bool:
        """Whether it is so far, or altogether, not staged."""
        return self._staged is None and self._id is None

    def size(self) -> int:
        """Octets taken so far."""
        return self._size

    def add(self, octets: bytes) -> Awaitable[None] | None:
        """Take the next octets. None: ready for more at once; otherwise await the answer before adding more.

        Raises MessageTooBig, at once; refusals of the content when awaited.
        """
        size = self._size + len(octets)
        if size > self._max:
            raise MessageTooBig(detail=f"more than {self._max} octets")
        self._size = size
        in_memory = self._content is None or size <= self._max_memory
        if len(octets) < _DROPLET or self._droplets:
            self._droplets += octets
            if len(self._droplets) < _DROPLET and (in_memory or self._staged is not None):
                return None
            octets = self._pooled()
        if in_memory:
            self._chunks.append(octets)
            return None
        return self._stage(octets) if self._staged is None else self._spill(self._staged, octets)

    async def write(self, octets: bytes) -> None:
        """`add`, and wait until more may come."""
        waiting = self.add(octets)
        if waiting is not None:
            await waiting

    async def seal(self) -> None:
        """The message is whole; staged content is durable on return. Doing it again changes nothing."""
        if self._octets is not None or self._id is not None:
            return
        if self._staged is not None:
            if self._droplets:
                await self._spill(self._staged, self._pooled())
            self._id = await settled(self._staged.seal())
            if self._scanner is not None:
                self._index, self._found = self._scanner.finish(), self._scanner.root_fields
                self._scanner = None
            return
        if self._droplets:
            self._chunks.append(self._pooled())
        self._octets = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()

    async def finish(self, head: bytes = b"") -> Finished:
        """`seal`, and the message with `head` in front."""
        await self.seal()
        return self.finished(head)

    def finished(self, head: bytes = b"") -> Finished:
        """The sealed message with `head` (complete header lines) in front; as often as there are different heads."""
        return Finished(head, self.whole(), len(head) + self._size, self.attributes_for(head), self.header())

    def whole(self) -> bytes | str:
        """The sealed message as `New.content` has it: its octets, or the id of its content."""
        content = self._id if self._octets is None else self._octets
        assert content is not None, "seal comes first"
        return content

    def attributes_for(self, head: bytes) -> Attributes | None:
        """What readers ask for first, for the sealed message with `head` in front; the content is scanned only once."""
        if self._index is None and self._scan and self._octets is not None:
            self._index, self._found = read(self._octets)
            self._preview = rendered_preview(self._octets, self._index)
        header = self.header()
        if head.endswith(b"\r\n\r\n"):         # the header ends with `head`: what the content seems to begin with is text
            return attributes(head + self._octets) if self._octets is not None and self._scan else None
        if self._index is None or len(header) >= HEADER_OCTETS:
            return None
        return from_scan(self._index, header, head, self._found, self._preview)

    def header(self) -> bytes:
        """The sealed message's header block with its final empty line, cut at 1 MiB."""
        if self._header is None:
            octets = bytes(self._top) if self._octets is None else self._octets
            self._header = octets[:min(split_header(octets), HEADER_OCTETS)]
        return self._header

    def share(self) -> SharedOctets | None:
        """Of a sealed message in memory: from now on `whole` is octets that one job keeps once. None: it is not in memory."""
        if self._octets is None:
            return None
        shared = self._octets = SharedOctets(self._octets)
        return shared

    async def read(self, offset: int, size: int) -> bytes:
        """Octets of the sealed message; shorter at the end. Raises TryAgainLater where the content cannot be read back."""
        if self._octets is not None:
            return self._octets[offset:offset + size]
        if self._id is None or not IReadableContent.providedBy(self._content):
            raise TryAgainLater(detail="staged content that cannot be read before it is delivered")
        content: IReadableContent = self._content
        return await settled(content.read(self._id, offset, size))

    def abort(self) -> None:
        """Forget it all; never raises. Sealed content that nobody refers to is swept by its store."""
        self._chunks.clear()
        self._droplets.clear()
        if self._staged is not None and self._id is None:
            self._staged.abort()
        self._staged = None

    def _pooled(self) -> bytes:
        octets = bytes(self._droplets)
        self._droplets.clear()
        return octets

    async def _stage(self, octets: bytes) -> None:
        """It has become too big for memory."""
        assert self._content is not None
        self._staged = staged = await settled(self._content.stage())
        self._scanner = Scanner() if self._scan else None
        octets = b"".join((*self._chunks, octets))
        self._chunks.clear()
        await self._spill(staged, octets)

    async def _spill(self, staged: IStaged, octets: bytes) -> None:
        if not self._topped:
            self._head_on(octets)
        if self._scanner is not None:
            self._scanner.feed(octets)
        await settled(staged.write(octets))

    def _head_on(self, octets: bytes) -> None:
        """Keep them while the header may go on; what was searched for its end is not searched again."""
        at = max(0, len(self._top) - 2)
        self._top += octets
        self._topped = (
            len(self._top) >= HEADER_OCTETS or self._top.startswith((b"\r\n", b"\n"))
            or self._top.find(b"\n\r\n", at) >= 0 or self._top.find(b"\n\n", at) >= 0
        )
