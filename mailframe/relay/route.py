"""The addresses to try for a destination, one after the other, looked up only as far as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from mailframe.dns.answer import DnsError, DnsTemporaryError, MailExchange, NoAnswer, NoSuchDomain, NoUsableAnswer
from mailframe.model.refusal import Refusal

from .connect import Target
from .mx import DnsUnclear, LoopsBack, NoRoute, NoSuchMailDomain, Unprotected, in_order, literal, ourselves
from .settings import RelaySettings, Smarthost

_LOCALHOST = ("127.0.0.1", "::1")       # never asked of DNS (RFC 6761 section 6.3)
SMTP_PORT = 25


class Routes:
    """Asks the resolver. `shuffle` orders hosts of equal preference, in place."""

    def __init__(
        self, resolver: Any, settings: RelaySettings, own_names: Collection[str], own_address: Callable[[str], bool],
        shuffle: Callable[[list[MailExchange]], None],
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._own_names = own_names
        self._own_address = own_address
        self._shuffle = shuffle

    async def to(self, domain: str, *, secure: bool = False) -> Route:
        """The way to `domain` (or the smarthost). Raises Refusal: there is none, or DNS cannot say now.

        `secure`: only to hosts whose names cannot have been forged on the way here, by TLS that verifies these names
        (RFC 8689 section 4.2.1). A name that is configured, or in the address itself, needs no DNSSEC.
        """
        smarthost = self._settings.host_for(domain)
        if smarthost is not None:
            if secure and smarthost.tls == "none":
                raise Unprotected(detail=f'the way to {smarthost.name} has tls = "none"')
            return Route(self, [smarthost.name], smarthost, secure)
        if not domain:
            raise NoRoute(detail="an address without a domain")
        address = literal(domain)
        if address is not None:
            return Route(self, [address], None, secure)
        return Route(self, [record.host for record in await self._exchanges(domain, secure)], None, secure)

    async def _exchanges(self, domain: str, secure: bool) -> list[MailExchange]:
        validated = True        # an implicit MX has the name that was asked for, and the certificate proves it
        try:
            answer = await self._resolver.mx(domain)
            records, validated = list(answer), answer.secure
        except NoSuchDomain as error:
            raise NoSuchMailDomain(detail=str(error)) from error
        except NoUsableAnswer as error:
            raise NoRoute(detail=str(error)) from error
        except NoAnswer:
            records = [MailExchange(0, domain)]     # the implicit MX, RFC 5321 section 5.1
        except DnsTemporaryError as error:
            raise DnsUnclear(detail=str(error)) from error
        hosts = in_order(records, self._own_names, self._shuffle)[: self._settings.max_hosts]
        if secure and not validated:
            raise Unprotected(detail=f"the MX records of {domain} are not validated by DNSSEC")
        return hosts

    async def targets(self, host: str, smarthost: Smarthost | None, secure: bool) -> list[Target]:
        """One host's addresses. Raises LoopsBack when one of them is ours, Refusal when there are none."""
        addresses = await self._addresses(host)
        if smarthost is not None:
            tls = "starttls" if secure and smarthost.tls == "opportunistic" else smarthost.tls
            return [Target(host, address, smarthost.port, tls, smarthost) for address in addresses]
        port, own = self._settings.port, self._settings.own_addresses
        if any(ourselves(address, own, port == SMTP_PORT) or self._own_address(address) for address in addresses):
            raise LoopsBack(detail=f"{host} is this machine: {', '.join(addresses)}")
        return [Target(host, address, port, "starttls" if secure else self._settings.tls) for address in addresses]

    async def _addresses(self, host: str) -> list[str]:
        if ":" in host or host.rpartition(".")[2].isdigit():
            return [host]
        if host == "localhost":
            return list(_LOCALHOST)
        try:
            return list(await self._resolver.addresses(host))
        except DnsTemporaryError as error:
            raise DnsUnclear(detail=str(error)) from error
        except DnsError as error:
            raise NoRoute(detail=str(error)) from error


class Route:
    """Hosts in order; `next` gives their addresses one by one."""

    def __init__(self, routes: Routes, hosts: list[str], smarthost: Smarthost | None, secure: bool) -> None:
        self._routes = routes
        self._secure = secure
        self._hosts = hosts
        self._smarthost = smarthost
        self._targets: list[Target] = []
        self.failures: list[Refusal] = []       # of looking hosts up

    async def next(self) -> Target | None:
        """The next address to try, or None when there is none left."""
        while not self._targets:
            if not self._hosts:
                return None
            try:
                self._targets = await self._routes.targets(self._hosts.pop(0), self._smarthost, self._secure)
            except LoopsBack as loop:
                self.failures.append(loop)
                self._hosts.clear()             # hosts that are no better than we are must not be tried
            except Refusal as refusal:
                self.failures.append(refusal)
        return self._targets.pop(0)

    def leave(self, host: str) -> None:
        """Try no further address of `host`."""
        self._targets = [target for target in self._targets if target.host != host]
