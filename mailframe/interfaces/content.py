"""Message content apart from the index: octets written once, streamed, shared by all recipients."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import Interface


class IContent(Interface):
    """Provided by a store (the same object) that can take content piece by piece, before the commit that refers to it."""

    async def stage() -> IStaged:
        """Begin one. Unfinished ones are removed by the store, also after a crash."""


class IReadableContent(IContent):
    """Content that can be read by its id as soon as it is sealed, before any index row refers to it."""

    async def read(content_id: str, offset: int, size: int) -> bytes:
        """Shorter at the end. Raises NoSuchMessage when it is gone."""


class IContentStore(IReadableContent):
    """Content as a plugin of its own (kind ``content``): octets at rest, apart from any index of mailboxes.

    It decides nothing about lifetimes. An index beside it (the SQLite store's) counts in its own transactions who refers to
    an id, and says when one may go. No id is ever given twice: two contents of the same octets have two ids, though they may
    share one place on the disk, so that the removal of one can never take the other away.
    """

    async def start() -> None:
        """Open what is needed; remove what a crash left half staged. Raise with a clear sentence to stop the server's start."""

    async def remove(content_ids: Sequence[str]) -> None:
        """Let go of these for good. One that is not there, or never was, is no error; doing it again changes nothing."""

    async def ids(after: str, limit: int) -> Sequence[str]:
        """The first `limit` sealed ids greater than `after` ("" for the first), ascending: how an index finds what it has
        no record of after a crash. One sealed meanwhile may be missing."""

    async def close() -> None:
        """Let go of everything. Nothing is called afterwards."""


class IVerifiableContent(IContentStore):
    """A content store that can tell whether what it keeps is still what it was given."""

    async def verify(content_id: str) -> str | None:
        """None: all is there as it was sealed; else a few words about what is wrong. May read the whole of it."""


class IContentInIndex(Interface):
    """Marks the choice (kind ``content``) to keep large content in the index's own database, in no store beside it."""


class IStaged(Interface):
    """Content on its way in. Order: write*, then exactly one of seal or abort."""

    async def write(octets: bytes) -> None:
        """Returns when more may come: this is the backpressure."""

    async def seal() -> str:
        """Durable on return. The id is good in `New.content` for at least ten minutes, and for as long as an index row
        refers to it."""

    def abort() -> None:
        """Forget it; never raises."""
