"""Message content apart from the index: octets written once, streamed, shared by all recipients."""

from __future__ import annotations

from zope.interface import Interface


class IContent(Interface):
    """Provided by a store (the same object) that can take content piece by piece, before the commit that refers to it."""

    async def stage() -> IStaged:
        """Begin one. Unfinished ones are removed by the store, also after a crash."""


class IReadableContent(IContent):
    """Content that can be read by its id as soon as it is sealed, before any index row refers to it."""

    async def read(content_id: str, offset: int, size: int) -> bytes:
        """Shorter at the end. Raises NoSuchMessage when it is gone."""


class IStaged(Interface):
    """Content on its way in. Order: write*, then exactly one of seal or abort."""

    async def write(octets: bytes) -> None:
        """Returns when more may come: this is the backpressure."""

    async def seal() -> str:
        """Durable on return. The id is good in `New.content` for at least ten minutes, and for as long as an index row
        refers to it."""

    def abort() -> None:
        """Forget it; never raises."""
