"""Filters: judges along a message's way in. A filter provides the interfaces of the stages it wants to see."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from zope.interface import Interface

from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.verdict import Verdict

#: A verdict: from a plain function, a Deferred, or ``async def``. What can be said at once costs least when it is said at once.
Answer = Verdict | Awaitable[Verdict]


class IConnectionFilter(Interface):
    def connection(peer: Peer) -> Answer:
        """Before the greeting. Refuse closes the connection with the refusal's words; Named tells later filters who it is."""


class IGreetingFilter(Interface):
    """Makes clients wait for the greeting: who speaks first has not learnt SMTP. Plain calls, which wait for nothing."""

    def greeting_delay(peer: Peer) -> float:
        """For how many seconds to keep the greeting back, once no `connection` objects; 0: not at all."""

    def early(peer: Peer, octets: bytes) -> Verdict:
        """The client has sent `octets` before the greeting. Refuse closes the connection with the refusal's words."""


class IErrorFilter(Interface):
    """Hears of each refused command."""

    def erred(peer: Peer, verb: str, code: int) -> float:
        """`verb` ("" for what is no command) is about to be refused with this reply code. A plain call.

        Returns for how many seconds to keep the answer back; of several filters the longest counts.
        """


class IPartingFilter(Interface):
    """Hears of the end of each connection."""

    def disconnected(peer: Peer) -> None:
        """What `connection` was asked about is gone, also when it was refused. Once for each; a plain call."""


class IHelloFilter(Interface):
    def hello(peer: Peer) -> Answer:
        """After HELO or EHLO; `peer.helo` is what was said."""


class ISenderFilter(Interface):
    def sender(envelope: Envelope) -> Answer:
        """At MAIL."""


class IRecipientFilter(Interface):
    def recipient(envelope: Envelope, recipient: Recipient) -> Answer:
        """At RCPT, after routing accepted it. Refuse is for this recipient alone."""


class IMessageFilter(Interface):
    def message(envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Answer:
        """After the last octet, before anything is stored for good."""


class IMessageOctets(Interface):
    """The whole message as received, readable in pieces."""

    def size() -> int:
        """In octets."""

    def header() -> bytes:
        """The header block with its final empty line, cut at 1 MiB."""

    async def read(offset: int, size: int) -> bytes:
        """Shorter at the end."""
