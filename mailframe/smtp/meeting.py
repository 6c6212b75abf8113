"""Where a session meets the reception: a client is introduced, made to wait, and its end told."""

from __future__ import annotations

from functools import partial

from mailframe.interfaces.delivery import IAttentive, IReception
from mailframe.model.envelope import Peer
from mailframe.model.refusal import Refusal

from .asking import ask, tell
from .reply import Reply
from .settings import SmtpSettings
from .wire import Wire


class NotAdmitted(Refusal):
    """Told at once, not at RCPT: nothing on such a port is for who is not in its networks (RFC 5321 section 4.3.2)."""

    public, smtp = "No mail service for your address here", (554, "5.7.1")


class Meeting:
    """One connection's; by XCLIENT one client comes after the other.

      M1  an attentive reception is told once of the end of each client that was introduced to it, refused or not.
    """

    __slots__ = ("_attentive", "_met", "_reception", "_settings")

    def __init__(self, reception: IReception, settings: SmtpSettings) -> None:
        self._reception = reception
        self._settings = settings
        self._attentive: IAttentive | None = reception if IAttentive.providedBy(reception) else None
        self._met: Peer | None = None

    async def introduce(self, peer: Peer) -> Peer:
        """Returns what the reception makes of it, after the end of whoever came this way before. Raises Refusal."""
        if not self._settings.admits(peer.ip):
            raise NotAdmitted
        self.part()
        self._met = peer
        known: Peer | None = await ask(peer, "connected", self._reception.connected, peer)
        return known or peer

    def part(self) -> None:
        met, self._met = self._met, None
        if met is not None and self._attentive is not None:
            tell("disconnected", partial(self._attentive.disconnected, met))

    async def silence(self, wire: Wire, peer: Peer) -> None:
        """Keep the greeting back for a while: nobody may speak before it (RFC 5321 section 3.1). Raises Refusal."""
        delay = 0.0 if self._attentive is None else self._attentive.greeting_delay(peer)
        if self._attentive is not None and delay > 0:
            await wire.pause(delay)
            if wire.framer.waiting:
                octets = wire.framer.take()
                wire.framer.give_back(octets)
                self._attentive.early(peer, octets)

    async def hold_back(self, wire: Wire, peer: Peer, verb: bytes, reply: Reply) -> None:
        """Before a bad answer: as long as the reception wants."""
        if self._attentive is not None:
            await wire.pause(self._attentive.erred(peer, verb.decode("ascii", "replace"), reply.code))
