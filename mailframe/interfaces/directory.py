"""Directories: whose is an address, and who may write in its name."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import Interface

from mailframe.model.address import Address
from mailframe.model.route import Resolution


class IDirectory(Interface):
    """Asked at every RCPT; never opens a mailbox. Postmaster is the framework's care, see `docs/plugin-authors.md`."""

    async def resolve(addresses: Sequence[Address]) -> Sequence[Resolution]:
        """One answer for each address, in order. Raising counts as TryLater for all."""

    async def may_send_as(account: str, address: Address) -> bool:
        """Whether the authenticated `account` may use `address` as the sender of a submitted message."""


class IValidSince(Interface):
    """A directory that knows since when an address has been with whoever has it now (RFC 7293)."""

    async def valid_since(addresses: Sequence[Address]) -> Sequence[float | None]:
        """For each address, in order: since when (seconds since the epoch) its mail has gone to the same person without
        interruption; None: not recorded, or nobody's. Raising counts as TryLater for all."""
