"""Filters: judges along a message's way in. A filter provides the interfaces of the stages it wants to see."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import Interface

from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.verdict import Verdict


class IConnectionFilter(Interface):
    async def connection(peer: Peer) -> Verdict:
        """Before the greeting. Refuse closes the connection with the refusal's words."""


class IHelloFilter(Interface):
    async def hello(peer: Peer) -> Verdict:
        """After HELO or EHLO; `peer.helo` is what was said."""


class ISenderFilter(Interface):
    async def sender(envelope: Envelope) -> Verdict:
        """At MAIL."""


class IRecipientFilter(Interface):
    async def recipient(envelope: Envelope, recipient: Recipient) -> Verdict:
        """At RCPT, after routing accepted it. Refuse is for this recipient alone."""


class IMessageFilter(Interface):
    async def message(envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Verdict:
        """After the last octet, before anything is stored for good."""


class IMessageOctets(Interface):
    """The whole message as received, readable in pieces."""

    def size() -> int:
        """In octets."""

    def header() -> bytes:
        """The header block with its final empty line, cut at 1 MiB."""

    async def read(offset: int, size: int) -> bytes:
        """Shorter at the end."""
