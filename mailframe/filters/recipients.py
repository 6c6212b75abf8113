"""How many recipients: of a message, of a connection, of an address in an hour."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zope.interface import implementer

from mailframe.interfaces.filter import IPartingFilter, IRecipientFilter
from mailframe.model.client import network_of
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.verdict import Verdict
from mailframe.pacing.levels import Levels

from .guard import PASS, Guard
from .scope import Scope

_HOUR_S = 3_600.0
_MOST = 20_000      # connections that are counted, far more than can be open


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientsSettings(Scope):
    """Recipients that are taken from one client. 0 is no limit. Wrong values raise ValueError."""

    per_message: int = 500                 # RFC 5321 section 4.5.3.1.8 asks for 100; the rest come with the next message
    per_connection: int = 5_000            # a list host keeps its connection for ten such messages
    per_hour: int = 20_000                 # of one address; IPv6 counts by /64
    remember_addresses: int = 50_000       # the latest; some 15 MiB when full


@implementer(IRecipientFilter, IPartingFilter)
class Recipients(Guard):
    """Refuses for now those beyond: 452 4.5.3 (RFC 5321 section 4.5.3.1.10), 451 4.7.1 for the hour."""

    name = "recipients"

    def __init__(self, settings: RecipientsSettings, seconds: Callable[[], float]) -> None:
        super().__init__(settings)
        self._settings = settings
        self._seconds = seconds
        self._hours = Levels(_HOUR_S / (settings.per_hour or 1), settings.remember_addresses)
        self._open: OrderedDict[tuple[str, int, str], _Connection] = OrderedDict()

    def recipient(self, envelope: Envelope, recipient: Recipient) -> Verdict:
        """See `IRecipientFilter`."""
        peer, settings = envelope.peer, self._settings
        if not self.concerns(peer):
            return PASS
        connection = self._connection(peer)
        if connection.message != envelope.id:
            connection.message, connection.of_message = envelope.id, 0
        if settings.per_message and connection.of_message >= settings.per_message:
            return self.refuse(peer, 452, "4.5.3", "Too many recipients",
                               f"{settings.per_message} recipients of a message", final=True)
        if settings.per_connection and connection.of_all >= settings.per_connection:
            return self.refuse(peer, 452, "4.5.3", "Too many recipients in this connection",
                               f"{settings.per_connection} recipients of a connection", final=True)
        if settings.per_hour and not self._hours.take(network_of(peer.ip), self._seconds(), settings.per_hour):
            return self.refuse(peer, 451, "4.7.1", "Too many recipients from you, please try again later",
                               f"{settings.per_hour} recipients in an hour", final=True)
        connection.of_message += 1
        connection.of_all += 1
        return PASS

    def _connection(self, peer: Peer) -> _Connection:
        key = (peer.ip, peer.port, peer.listener)
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = _Connection()
            if len(self._open) > _MOST:
                self._open.popitem(last=False)
        return found

    def disconnected(self, peer: Peer) -> None:
        """See `IPartingFilter`."""
        self._open.pop((peer.ip, peer.port, peer.listener), None)

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        return {"addresses counted": len(self._hours)}

    async def known(self, ip: str) -> Sequence[str]:
        """See `Guard`."""
        who = network_of(ip)
        if who not in self._hours:
            return ()
        return (f"recipients in an hour: {self._hours.level(who, self._seconds()):.0f} of {self._settings.per_hour} from {who}",)

    async def forget(self, ip: str) -> int:
        """See `Guard`."""
        return int(self._hours.forget(network_of(ip)))


class _Connection:
    """What one has had so far."""

    __slots__ = ("message", "of_all", "of_message")

    def __init__(self) -> None:
        self.message = ""
        self.of_message = 0
        self.of_all = 0
