"""The relay's settings: where to, how many at once, how long."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mailframe.model.domain import canonical_domain
from mailframe.smtp.client_settings import ClientSettings

VERIFIED = ("starttls", "implicit")
TLS_MODES = ("none", "opportunistic", *VERIFIED)


@dataclass(frozen=True, slots=True)
class Smarthost:
    """One host that is given all mail, or all of one domain, instead of the mail exchangers.

    Raises ValueError for what cannot be meant.

    `tls`: "none"; "opportunistic" (if offered, unverified: against listeners, not liars); "starttls" and "implicit", where
    the certificate must be `host`'s. A password goes out with the last two, or where "none" says that the way is safe.
    """

    host: str                       # a name or an address
    port: int = 587                 # RFC 6409; 465 goes with tls = "implicit" (RFC 8314)
    tls: str = "starttls"           # or "implicit" (both verify its certificate), "opportunistic" (if offered, unverified), "none"
    user: str | None = None         # to log in as; none: no login
    password: str = field(default="", repr=False)   # goes out under verified TLS, or where tls = "none" says that the way is safe
    ca_file: Path | None = None     # PEM: who vouches for its certificate; read again when it changes; none: whom the system trusts

    def __post_init__(self) -> None:
        if self.tls not in TLS_MODES:
            raise ValueError(f"tls must be one of {', '.join(TLS_MODES)}, not {self.tls!r}")
        if self.user is not None and self.tls == "opportunistic":
            raise ValueError('tls = "opportunistic" would show the password to anybody in between: use "starttls" or "implicit"')
        if not 0 < self.port < 65_536:
            raise ValueError(f"port must be 1 to 65535, not {self.port}")
        if self.ca_file is not None and self.tls not in VERIFIED:
            raise ValueError(f'ca_file says whom to believe, and tls = "{self.tls}" verifies nothing: use "starttls" or "implicit"')
        _ = self.name

    @property
    def name(self) -> str:
        """`host` as it is looked up and compared with a certificate: A-labels, or an address without brackets."""
        host = self.host.removeprefix("[").removesuffix("]")
        return str(ipaddress.IPv6Address(host)) if ":" in host else canonical_domain(host)

    @classmethod
    def short(cls, text: str) -> Self:
        """``HOST`` or ``HOST:PORT``, without a login: TLS if offered, port 25. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or text.endswith("]"):
            host, port = text, "25"
        if not host or not port.isdigit():
            raise ValueError(f"{text!r} is no host; write HOST or HOST:PORT")
        return cls(host.strip("[]"), int(port), "opportunistic")


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How mail leaves. Without `smarthost` it goes to each domain's mail exchangers."""

    smarthost: Smarthost | None = None
    routes: Mapping[str, Smarthost] = field(default_factory=dict)   # domains whose mail goes to a host of its own
    nameservers: tuple[str, ...] = ()       # "192.0.2.1" or "192.0.2.1:5353"; none: those of /etc/resolv.conf
    validating: tuple[str, ...] = ()        # name servers (addresses) whose word on DNSSEC is believed for REQUIRETLS, besides
                                            # those on loopback; none by default, as what they say can be forged on its way here
    port: int = 25                          # of mail exchangers; another one is for tests on loopback
    tls: str = "opportunistic"              # with mail exchangers, if offered; or "none". Unverified: plain DNS proves no name
    own_addresses: frozenset[str] = frozenset()     # mail is never handed to these (RFC 5321 section 5.1), to our listeners
                                            # or to loopback; to be set where the world sees others: behind NAT
    own_names: frozenset[str] = frozenset()  # MX hosts that are this server under names besides `hostname`
    per_destination: int = 10               # deliveries at once to one domain: what large receivers allow one sender
    max_hosts: int = 8                      # addresses tried for one message; more would only make it late
    patience_s: float = 3_600.0             # then no further host or batch is begun; the queue tries again later
    connect_timeout_s: float = 30.0         # as other mail servers do; the system's own limit is minutes
    idle_s: float = 15.0                    # a kept connection costs the other side a process, perhaps
    max_idle: int = 100                     # kept connections in all: each costs a file descriptor
    messages_per_connection: int = 100      # then a fresh one, so that load balancers can do their work
    recipients_per_message: int = 100       # every server takes these (RFC 5321 section 4.5.3.1.8)
    spool_octets: int = 262_144             # of a message in memory before it goes to a temporary file
    client: ClientSettings = field(default_factory=ClientSettings)

    def __post_init__(self) -> None:
        if self.tls not in TLS_MODES[:2]:
            raise ValueError(f"tls with mail exchangers must be none or opportunistic, not {self.tls!r}")
        object.__setattr__(self, "routes", {canonical_domain(domain): host for domain, host in self.routes.items()})
        self.resolvers()
        for address in self.validating:
            _address(address)

    def resolvers(self) -> list[tuple[str, int]] | None:
        """The name servers as (address, port); None for the system's. Raises ValueError."""
        return [_nameserver(text) for text in self.nameservers] or None

    def hosts(self) -> list[Smarthost]:
        """All that are configured."""
        return [*([self.smarthost] if self.smarthost else []), *self.routes.values()]

    def host_for(self, domain: str) -> Smarthost | None:
        """The configured host for a domain's mail, or None for its mail exchangers."""
        return self.routes.get(domain, self.smarthost)


def _address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"validating: {text!r} is no address; write 192.0.2.1 or 2001:db8::1") from None


def _nameserver(text: str) -> tuple[str, int]:
    host, port = text, "53"
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise ValueError(f"nameservers: {text!r} is no address; write 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:53") from None
