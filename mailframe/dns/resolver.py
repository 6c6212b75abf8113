"""A stub resolver that asks the operator's name servers and treats every answer as hostile input."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults

from mailframe.model.domain import canonical_domain

from .answer import Answer, DnsError, DnsTemporaryError, MailExchange, NoAnswer, NoSuchDomain, NoUsableAnswer, TlsAssociation
from .backend import Abandoned, TwistedBackend

T = TypeVar("T")
MAX_RECORDS = 50               # of one answer; nobody honest has more mail exchangers, and each may cost a connection
MAX_TEXT_OCTETS = 16_384       # of one TXT record; a 4,096 bit DKIM key takes 800
EDNS_PAYLOAD = 1_232           # fits an unfragmented IPv6 datagram; what is longer comes over TCP
MAX_KEPT_S = 86_400.0          # however long a TTL: a wrong answer must not outlive its correction for ever
MAX_ABSENT_KEPT_S = 900.0      # a name that was missing may be there soon (RFC 2308 section 5 allows hours)
_SHARE_OF_TIME = 0.4           # of the whole lookup that one server may use before the next is asked


class Resolver:
    """Looks names up through `nameservers` ((address, port) each; None: those of /etc/resolv.conf).

    `timeout_s` bounds one lookup with all its retries. Up to `cache` answers, negative ones too, are kept for as long as
    their TTL says. Names are Unicode or A-labels, relative to the root; search lists are never used.

    Every method raises NoSuchDomain, NoAnswer (or NoUsableAnswer) or DnsTemporaryError, and may be cancelled.
    """

    def __init__(
        self, reactor: Any, *, nameservers: Sequence[tuple[str, int]] | None = None, timeout_s: float = 10.0,
        cache: int = 10_000, trusted: Sequence[str] = (),
    ) -> None:
        """`trusted`: addresses of name servers whose word on DNSSEC is believed, besides those on loopback."""
        self._backend = TwistedBackend(reactor)
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        servers = _system_nameservers() if nameservers is None else list(nameservers)
        self._resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        self._resolver.lifetime = timeout_s
        self._resolver.timeout = timeout_s * _SHARE_OF_TIME
        self._resolver.flags = dns.flags.RD | dns.flags.AD
        self._resolver.use_edns(0, dns.flags.DO, EDNS_PAYLOAD)
        self._resolver.cache = _Cache(cache) if cache else None
        self._trusted = frozenset(ipaddress.ip_address(text) for text in trusted)

    async def mx(self, domain: str) -> Answer[MailExchange]:
        """Mail exchangers in the server's order. Targets that are no host names are left out (RFC 5321 section 5.1)."""
        return await self._records(domain, dns.rdatatype.MX, _mail_exchange)

    async def addresses(self, host: str) -> list[str]:
        """IPv6, then IPv4 addresses. One family that cannot be found out does not hide the other."""
        kinds = (dns.rdatatype.AAAA, dns.rdatatype.A)
        try:
            both = await gatherResults([Deferred.fromCoroutine(self._family(host, kind)) for kind in kinds], consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()          # cancelled
        found = [address for answer in both if isinstance(answer, Answer) for address in answer]
        if found:
            return found
        failures = [answer for answer in both if isinstance(answer, DnsError)]
        for sort in (NoSuchDomain, DnsTemporaryError):
            for failure in failures:
                if isinstance(failure, sort):
                    raise failure
        raise NoAnswer(f"{host} has no address")

    async def _family(self, host: str, kind: dns.rdatatype.RdataType) -> Answer[str] | DnsError:
        try:
            return await self._records(host, kind, _address)
        except DnsError as error:
            return error

    async def ipv4(self, name: str) -> Answer[str]:
        """A records alone, as DNS lists answer (RFC 5782)."""
        return await self._records(name, dns.rdatatype.A, _address)

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, each one's strings joined (RFC 7208 section 3.3)."""
        return await self._records(name, dns.rdatatype.TXT, _text)

    async def ptr(self, address: str) -> Answer[str]:
        """Host names of an IPv4 or IPv6 address, unverified."""
        try:
            name = dns.reversename.from_address(address)
        except dns.exception.SyntaxError:
            raise NoSuchDomain(f"{address!r} is no address") from None
        return await self._records(name, dns.rdatatype.PTR, _host)

    async def tlsa(self, host: str, port: int) -> Answer[TlsAssociation]:
        """TLSA records of a TCP service (RFC 6698 section 3); worth nothing unless `secure`."""
        return await self._records(f"_{port}._tcp.{host}", dns.rdatatype.TLSA, _tls_association)

    async def _records(
        self, name: str | dns.name.Name, kind: dns.rdatatype.RdataType, read: Callable[[Any], T | None],
    ) -> Answer[T]:
        answer = await self._ask(name, kind)
        records: list[T] = []
        for rdata in list(answer.rrset or ())[:MAX_RECORDS]:
            record = read(rdata)
            if record is not None:
                records.append(record)
        if not records:
            raise NoUsableAnswer(f"{name} has no usable {kind.name}")
        return Answer(tuple(records), self._secure(answer))

    async def _ask(self, name: str | dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer:
        try:
            qname = name if isinstance(name, dns.name.Name) else _absolute(name)
            return await self._resolver.resolve(qname, kind, search=False, backend=self._backend)
        except Abandoned:
            raise CancelledError from None
        except dns.resolver.NXDOMAIN:
            raise NoSuchDomain(f"{name} does not exist") from None
        except dns.resolver.NoAnswer:
            raise NoAnswer(f"{name} has no {kind.name}") from None
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, ValueError):
            raise NoSuchDomain(f"{name!r} cannot be a domain name") from None
        except (dns.exception.DNSException, OSError) as error:
            raise DnsTemporaryError(f"{name} {kind.name}: {error}") from error

    def _secure(self, answer: dns.resolver.Answer) -> bool:
        if not answer.response.flags & dns.flags.AD or answer.nameserver is None:
            return False
        server = ipaddress.ip_address(answer.nameserver)
        return server.is_loopback or server in self._trusted


class _Cache(dns.resolver.LRUCache):
    """Keeps answers for their TTL, within bounds."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        limit = MAX_ABSENT_KEPT_S if value.rrset is None else MAX_KEPT_S
        value.expiration = min(value.expiration, time.time() + limit)
        super().put(key, value)


def _system_nameservers(path: str = "/etc/resolv.conf") -> list[tuple[str, int]]:
    """Those of resolv.conf; this machine's own where there is no such file, or it names none."""
    found = dns.resolver.Resolver(configure=False)
    try:
        found.read_resolv_conf(path)
    except (dns.resolver.NoResolverConfiguration, OSError):
        return [("127.0.0.1", 53)]
    return [(server, 53) for server in found.nameservers if isinstance(server, str)]


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(canonical_domain(name), dns.name.root)


def _host_name(name: dns.name.Name) -> str | None:
    """None for what is no host name: odd octets, the root, an address in place of a name."""
    try:
        host = canonical_domain(name.to_text(omit_final_dot=True))
    except ValueError:
        return None
    return None if host.rpartition(".")[2].isdigit() else host


def _mail_exchange(rdata: Any) -> MailExchange | None:
    if rdata.exchange == dns.name.root:
        return MailExchange(int(rdata.preference), "")
    host = _host_name(rdata.exchange)
    return None if host is None else MailExchange(int(rdata.preference), host)


def _address(rdata: Any) -> str | None:
    return str(rdata.address)


def _text(rdata: Any) -> bytes | None:
    text = b"".join(rdata.strings)
    return text if len(text) <= MAX_TEXT_OCTETS else None


def _host(rdata: Any) -> str | None:
    return _host_name(rdata.target)


def _tls_association(rdata: Any) -> TlsAssociation | None:
    return TlsAssociation(int(rdata.usage), int(rdata.selector), int(rdata.mtype), bytes(rdata.cert))
