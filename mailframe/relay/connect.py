"""From an address to a connection that is ready for messages: TCP, TLS, EHLO, login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionRefusedError, NoRouteError, TCPTimedOutError, TimeoutError, UserError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from mailframe.sasl.registry import MECHANISMS
from mailframe.smtp.client import PeerGone, PeerRefused, SmtpClient, TlsFailed
from mailframe.smtp.reply import Reply
from mailframe.tls.client import ClientContexts

from .mx import LoopsBack
from .outcome import HopFailed, refusal_of_host, unprotected, unreachable
from .settings import VERIFIED, RelaySettings, Smarthost

#: What the system says of a connection, in words for whoever reads a report.
_WHY = (
    (ConnectionRefusedError, "nobody listens there"), (TCPTimedOutError, "no answer in time"), (TimeoutError, "no answer in time"),
    (NoRouteError, "no way leads there"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect; connections to equal targets are interchangeable."""

    host: str                       # the name it goes by
    address: str
    port: int
    tls: str                        # as in `Smarthost.tls`; "starttls" of a mail exchanger: its name is beyond doubt (REQUIRETLS)
    login: Smarthost | None = None  # whose user and password to use

    @property
    def exchanger(self) -> bool:
        """Whether DNS has told of it, not the configuration."""
        return self.login is None

    def __str__(self) -> str:
        return f"{self.host}[{self.address}]:{self.port}"


class Connector:
    """Opens connections. Whatever is wrong with the other side is HopFailed."""

    log = Logger()

    def __init__(self, reactor: Any, settings: RelaySettings, hostname: str, tls: ClientContexts) -> None:
        self._reactor = reactor
        self._settings = settings
        self._hostname = hostname
        self._tls = tls

    async def connect(self, target: Target) -> SmtpClient:
        """A greeted SmtpClient. A failed handshake on opportunistic TLS costs a second connection, in the clear."""
        try:
            try:
                return await self._session(target, target.tls)
            except TlsFailed as error:
                if error.judged and target.exchanger and target.tls in VERIFIED:
                    raise HopFailed(unprotected(target.host, f"TLS is required, and failed: {error}")) from error
                if target.tls != "opportunistic":
                    raise HopFailed(unreachable(target.host, f"TLS failed: {error}", "4.7.5")) from error
                self.log.info("{target}: TLS failed ({error}), going on in the clear", target=target, error=error)
                return await self._session(target, "none")
        except PeerRefused as error:
            if error.to == "STARTTLS" and error.reply.code >= 500 and target.exchanger:
                raise HopFailed(unprotected(target.host, f"TLS is required, and it refuses: {error.reply}")) from error
            raise HopFailed(refusal_of_host(error, target.host)) from error
        except PeerGone as error:
            raise HopFailed(unreachable(target.host, str(error), "4.4.2")) from error

    async def _session(self, target: Target, tls: str) -> SmtpClient:
        client = await self._tcp(target)
        try:
            if tls == "implicit":
                await client.tls_now(self._verified(target))
            await client.greet(self._hostname)
            if tls in ("opportunistic", "starttls"):
                await self._starttls(client, target, tls)
            client.trusted = tls in VERIFIED
            if target.login is not None and target.login.user is not None:
                await _login(client, target.login.user, target.login.password)
            elif target.exchanger and client.name.lower() == self._hostname.lower():
                raise HopFailed(LoopsBack(detail=f"{target} introduces itself as {self._hostname}"))
        except BaseException:
            client.abort()
            raise
        return client

    def _verified(self, target: Target) -> IOpenSSLClientConnectionCreator:
        """Raises HopFailed, which shows no path of ours to the sender (I8)."""
        try:
            return self._tls.verified(target.host, target.login.ca_file if target.login else None)
        except ValueError as error:
            self.log.error("{target}: TLS failed: {error}", target=target, error=error)
            raise HopFailed(unreachable(target.host, "TLS failed: its certificate cannot be verified now", "4.7.5")) from error

    async def _tcp(self, target: Target) -> SmtpClient:
        endpoint = TCP6ClientEndpoint if ":" in target.address else TCP4ClientEndpoint
        factory = Factory.forProtocol(lambda: SmtpClient(self._reactor, self._settings.client))
        factory.noisy = False
        patience = self._settings.connect_timeout_s
        try:
            client: Any = await endpoint(self._reactor, target.address, target.port, timeout=patience).connect(factory)
        except (ConnectError, UserError, OSError) as error:
            why = next((words for kind, words in _WHY if isinstance(error, kind)), " ".join(str(error).split()))
            raise HopFailed(unreachable(target.host, f"no connection to {target.address} port {target.port}: {why}")) from error
        assert isinstance(client, SmtpClient)
        return client

    async def _starttls(self, client: SmtpClient, target: Target, tls: str) -> None:
        if tls == "starttls":
            if "STARTTLS" not in client.extensions and target.exchanger:
                raise HopFailed(unprotected(target.host, "TLS is required, and it offers none"))
            if "STARTTLS" not in client.extensions:
                raise HopFailed(unreachable(target.host, "TLS is required, and it offers none", "4.7.4"))
            await client.start_tls(self._verified(target), self._hostname)
        elif "STARTTLS" in client.extensions:
            try:
                await client.start_tls(self._tls.opportunistic(target.host), self._hostname)
            except PeerRefused as error:
                if error.to != "STARTTLS" or not client.usable:
                    raise
                self.log.info("{target}: {error}, going on in the clear", target=target, error=error)


async def _login(client: SmtpClient, user: str, password: str) -> None:
    offered = client.extensions.get("AUTH", "").upper()
    for name, mechanism in MECHANISMS.items():
        if name.decode() in offered.split():
            await client.login(mechanism, user, password)
            return
    raise PeerRefused("AUTH", Reply.of(454, "4.7.0", f"None of our mechanisms is among those offered ({offered})"))
