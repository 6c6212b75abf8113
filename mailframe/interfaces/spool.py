"""The queue's durable memory: what is still to be handed on, to whom, and when."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import Interface


class ISpool(Interface):
    """Keeps queued messages. `mailframe.queue.spool` documents the values; see there for the built-in one."""

    async def start() -> None:
        """As `IMailStore.start`."""

    async def due(now: float, limit: int) -> Sequence[object]:
        """The `mailframe.queue.item.Item`s whose time has come, earliest first."""

    async def close() -> None:
        """As `IMailStore.close`."""
