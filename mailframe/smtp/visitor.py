"""Who is at the other end of a session, as far as is known: by the transport, HELO, STARTTLS, AUTH, or XCLIENT's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mailframe.interfaces.delivery import IHonours
from mailframe.model.envelope import Peer

from .asking import tell
from .host import Host
from .origin import encrypted, ip_and_port, is_loopback, tls_words
from .roles import manners
from .situation import Situation


class Visitor:
    """V1  `peer` and `situation` agree on who has logged in; both are values, replaced as more is known."""

    __slots__ = ("_extended", "_honours", "_host", "_logout", "_name", "_transport", "origin", "peer", "situation")

    def __init__(self, host: Host, transport: Any) -> None:
        self._host = host
        self._transport = transport
        self._honours: frozenset[str] = host.reception.honours if IHonours.providedBy(host.reception) else frozenset()
        self._logout: Callable[[], object] | None = None
        self._extended = False                 # EHLO, not HELO
        self._name: str | None = None          # in DNS, of whose connection it is; None: the reception was not asked yet
        self.peer = self._connected()
        self.origin = self.peer.ip             # whose connection it is, whoever speaks by XCLIENT
        self._situate(tls=encrypted(transport), account=None)

    def _connected(self) -> Peer:
        """Who has connected, as far as the transport knows."""
        address = self._transport.getPeer()
        ip, port = ip_and_port(address)
        host = self._host
        return Peer(ip, port, listener=host.listener, role=host.settings.role, via=getattr(address, "via", ""))

    def _situate(self, *, tls: bool, account: str | None) -> None:
        host = self._host
        self.situation = Situation(
            host.settings, tls, host.tls is not None, is_loopback(self.peer.ip), host.portal is not None, account,
            host.mechanisms, host.clock.seconds(), self.origin, self._honours,
        )

    def known(self, peer: Peer) -> None:
        """What the reception has found out."""
        self.peer = peer
        if self._name is None:
            self._name = peer.name

    def named(self, name: str, *, extended: bool) -> Peer:
        """What `peer` would be after a greeting as `name`."""
        return replace(self.peer, helo=name, tls=self._tls(), protocol=self._protocol(extended=extended))

    def hello(self, peer: Peer, *, extended: bool) -> None:
        """That greeting was taken."""
        self._extended = extended
        self.peer = peer

    def secured(self) -> None:
        """TLS begins: what was said before, by the client or by XCLIENT, is forgotten (RFC 3207 section 4.2)."""
        self.log_out()
        self.peer = replace(self._connected(), name=self._name or "")
        self._situate(tls=True, account=None)

    def replaced(self, peer: Peer, account: str | None) -> None:
        """XCLIENT: from now on `peer` speaks, already logged in as `account`."""
        self._extended = peer.protocol != "SMTP"
        self.peer = peer
        self._situate(tls=self.situation.tls, account=account)
        self.peer = replace(peer, account=account, tls=self._tls(), protocol=self._protocol(extended=self._extended))

    def log_in(self, account: str, logout: Callable[[], object]) -> None:
        self._logout = logout
        self._situate(tls=self.situation.tls, account=account)
        self.peer = replace(self.peer, account=account, protocol=self._protocol(extended=self._extended))

    def log_out(self) -> None:
        """Only to be followed by another visitor, or by the end."""
        logout, self._logout = self._logout, None
        if logout is not None:
            tell("logout", logout)

    def with_utf8(self) -> Peer:
        """`peer`, of a message that came with SMTPUTF8."""
        return replace(self.peer, protocol=self._protocol(extended=True, utf8=True))

    def _tls(self) -> str:
        return tls_words(self._transport) if self.situation.tls else ""

    def _protocol(self, *, extended: bool, utf8: bool = False) -> str:
        """The word after "with" in Received (RFC 3848, RFC 6531 section 4.3)."""
        words = manners(self._host.settings.role)
        word = words.utf8 if utf8 else words.extended if extended else words.plain
        if word == "SMTP":
            return word
        return f"{word}{'S' if self.situation.tls else ''}{'A' if self.situation.account else ''}"
