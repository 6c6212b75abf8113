"""The configuration as one frozen value: from TOML, from short options, or made in Python by who embeds us."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mailframe.app.endpoints import endpoint_string, is_loopback
from mailframe.app.meant import did_you_mean
from mailframe.app.toml import ConfigError, Document, Key, PluginSpec, read
from mailframe.auth.limiter import LoginLimits
from mailframe.filters.guards import NAMES as GUARDS
from mailframe.filters.guards import GuardsSettings
from mailframe.imap.settings import ImapSettings
from mailframe.model.domain import canonical_domain
from mailframe.model.networks import checked_networks
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pop3.settings import Pop3Settings
from mailframe.proxied.settings import ProxySettings
from mailframe.queue.schedule import RetrySettings
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.settings import SmtpSettings
from mailframe.stores.annotated.settings import MetadataLimits
from mailframe.stores.shared.settings import SharingSettings
from mailframe.tracing.choices import TraceSettings

Role = Literal["mx", "submission", "lmtp", "relay-in", "imap", "pop3", "smtp"]
Security = Literal["starttls", "implicit", "none"]


@dataclass(frozen=True, slots=True)
class Listener:
    """One port with its protocol."""

    role: Role                             # mx (or smtp): from other servers; submission: from our users; lmtp: from an own server
                                           # into our mailboxes; relay-in: from own hosts to anybody; imap, pop3: reading
    endpoint: str                          # "25", "127.0.0.1:2525" or a Twisted endpoint string "tcp:25:interface=192.0.2.1",
                                           # "unix:/run/mailframe/lmtp:mode=660"
    tls: Security = "starttls"             # starttls: when the client asks for it; implicit: from the first octet; none: never
    plaintext_login: Literal["tls", "loopback", "always"] = "tls"  # a password without TLS: from nobody, this machine, anybody
    proxy_from: tuple[str, ...] = ()       # "192.0.2.0/24", "unix": proxies in front, which must tell by the PROXY protocol who is
                                           # behind them; then nobody else may connect
    proxy_timeout_s: float = 10.0          # for a proxy to tell: it does so at once, and a lost packet is sent again after 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "proxy_from", checked_networks("proxy_from", self.proxy_from))
        ProxySettings(self.proxy_from, self.proxy_timeout_s)

    @property
    def proxy(self) -> ProxySettings | None:
        """What stands in front of it, or None."""
        return ProxySettings(self.proxy_from, self.proxy_timeout_s) if self.proxy_from else None


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files; both are read again when they change."""

    certificate: Path                      # the server's certificate and then its chain
    key: Path                              # its private key, readable by the server alone


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Certificates. Without any, a self-signed one is made in the data folder, which mail programs will ask about."""

    certificate: Path | None = None        # PEM: the server's certificate, then its chain; read again when it changes
    key: Path | None = None                # PEM: its private key, readable by the server's user alone
    also: tuple[Certificate, ...] = ()     # more of them, chosen by the name the client asks for (SNI), and of those for one name
                                           # by the kind of key it takes (ECDSA, RSA)
    handshake_timeout_s: float = 60.0      # two round trips and a signature: whoever needs longer is not there

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together, and one of them is missing")
        if self.handshake_timeout_s <= 0:
            raise ValueError("handshake_timeout_s must be more than 0")

    def pairs(self) -> tuple[tuple[Path, Path], ...]:
        """All (certificate, key), the default first."""
        first = ((self.certificate, self.key),) if self.certificate and self.key else ()
        return (*first, *((item.certificate, item.key) for item in self.also))


@dataclass(frozen=True, slots=True)
class Config:
    """The server itself. Only what makes it yours has no default."""

    hostname: str = ""                     # the server's own name in greetings, Received and reports; "": this machine's
    data: Path = Path("mailframe-data")    # the folder for everything the server keeps, mode 0700
    domains: tuple[str, ...] = ()          # mail for these is ours; needed unless a directory plugin knows its domains itself
    postmaster: str | None = None          # the account that reads postmaster@ every domain; none: the accounts file's first one
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    tls: TlsConfig = TlsConfig()
    storage: PluginSpec = PluginSpec("sqlite")           # where mailboxes rest
    content: PluginSpec = PluginSpec("directory")        # where messages over 256 KiB rest, of mailboxes in SQLite and of the queue
    index_beside: bool = True              # what a storage plugin lacks (mod-sequences, ENVELOPEs) is kept in mailframe.db
    delivery: PluginSpec = PluginSpec("mailbox")         # what takes mail for our own accounts
    auth: tuple[PluginSpec, ...] = (PluginSpec("file"),)  # who may log in: asked in turn until one says yes
    directory: PluginSpec | None = None    # who exists: answers at RCPT; none: the first of auth that is a directory, too
    filters: tuple[PluginSpec, ...] = ()   # judges of incoming mail: asked together at each stage, refusals count most
    guards: GuardsSettings = GuardsSettings()
    pipeline: PipelineSettings = PipelineSettings()
    relay: RelaySettings = RelaySettings()
    queue: RetrySettings = RetrySettings()
    smtp: SmtpSettings = SmtpSettings()
    submission: SmtpSettings = SmtpSettings()
    lmtp: SmtpSettings = SmtpSettings()
    relay_in: SmtpSettings = SmtpSettings()
    login: LoginLimits = LoginLimits()
    imap: ImapSettings = ImapSettings()
    pop3: Pop3Settings = Pop3Settings()
    metadata: MetadataLimits = MetadataLimits()
    sharing: SharingSettings = SharingSettings()
    trace: TraceSettings = TraceSettings()
    development: bool = False
    parts: Mapping[str, Any] = field(default_factory=dict)  # ready-made parts by kind, for who embeds (see docs/embedding.md)
    base: Path = Path()                    # what relative paths of plugins start from
    place: Callable[[Key], str] | None = field(default=None, compare=False, repr=False)  # file and line of a setting, or its option

    def __post_init__(self) -> None:
        if not self.listeners:
            object.__setattr__(self, "listeners", DEVELOPMENT_LISTENERS if self.development else SERVER_LISTENERS)
        object.__setattr__(self, "submission", dataclasses.replace(self.submission, role="submission", require_login=True))
        object.__setattr__(self, "lmtp", dataclasses.replace(self.lmtp, role="lmtp"))
        object.__setattr__(self, "relay_in", dataclasses.replace(self.relay_in, role="relay-in", require_login=False))
        object.__setattr__(self, "hostname", self.hostname or _own_name(self.development))
        try:
            object.__setattr__(self, "domains", tuple(dict.fromkeys(canonical_domain(d) for d in self.domains)))
        except ValueError as error:
            raise ConfigError(f"domains: {error}.", ("domains",)) from None
        listeners = {name: _checked(name, item, self) for name, item in self.listeners.items()}
        object.__setattr__(self, "listeners", listeners)
        for wanted in self.trace.listeners:
            if wanted not in listeners:
                raise ConfigError(f"trace.listeners has {wanted!r}, which is no listener{did_you_mean(wanted, listeners)}",
                                  ("trace", "listeners"))
        for name in ("", *GUARDS):
            guard = getattr(self.guards, name) if name else self.guards
            for wanted in guard.exempt_listeners:
                if wanted not in listeners:
                    key = ("guards", *([name] if name else []), "exempt_listeners")
                    raise ConfigError(f"{'.'.join(key)} has {wanted!r}, which is no listener{did_you_mean(wanted, listeners)}", key)
        if unknown := set(self.parts) - set(READY):
            raise ConfigError(f"parts has {min(unknown)!r}{did_you_mean(min(unknown), READY)}")
        if not self.development and not self.domains and "directory" not in self.parts and self.directory is None:
            raise ConfigError('No domain is configured: name those whose mail is yours (domains = ["example.org"], or --domain).')

    def smtp_for(self, role: str) -> SmtpSettings | None:
        """The table of a role that speaks SMTP or LMTP."""
        return {"mx": self.smtp, "submission": self.submission, "lmtp": self.lmtp, "relay-in": self.relay_in}.get(role)

    def takes_passwords(self, listener: Listener) -> bool:
        """Whether anybody can log in there."""
        table = self.smtp_for(listener.role)
        return table is None or table.wants_login


#: What `parts` may hold: one of each, or lists of them in auth and filters. Each takes the place of the setting of its name.
READY = ("storage", "content", "delivery", "auth", "directory", "filters", "portal")

#: Set by the build from other places, so not settings of their tables.
FIXED: Mapping[Key, Sequence[str]] = {
    (): ("development", "parts", "base", "place"),
    ("pipeline", "route"): ("own_domain", "postmaster"),
    **{(table,): ("role", "hostname", "plaintext_login", "require_login", "no_soliciting", "complete_domain")
       for table in ("smtp", "submission", "relay_in")},
    ("lmtp",): ("role", "hostname", "plaintext_login", "no_soliciting", "complete_domain"),
    ("imap",): ("plaintext_login", "hostname"), ("pop3",): ("plaintext_login", "hostname"),
}

DEVELOPMENT_LISTENERS = {
    "smtp": Listener("mx", "1025"),
    "submission": Listener("submission", "1587", plaintext_login="loopback"),
    "submissions": Listener("submission", "1465", "implicit"),
    "imap": Listener("imap", "1143", plaintext_login="loopback"),
    "imaps": Listener("imap", "1993", "implicit"),
    "pop3": Listener("pop3", "1110", plaintext_login="loopback"),
    "pop3s": Listener("pop3", "1995", "implicit"),
}
SERVER_LISTENERS = {
    "smtp": Listener("mx", "25"),
    "submission": Listener("submission", "587"),
    "submissions": Listener("submission", "465", "implicit"),
    "imap": Listener("imap", "143"),
    "imaps": Listener("imap", "993", "implicit"),
    "pop3": Listener("pop3", "110"),
    "pop3s": Listener("pop3", "995", "implicit"),
}


def _own_name(development: bool) -> str:
    return "localhost" if development else socket.getfqdn()


def _checked(name: str, listener: Listener, config: Config) -> Listener:
    key = ("listeners", name)
    try:
        endpoint = endpoint_string(listener.endpoint, loopback=config.development)
    except ConfigError as error:
        raise ConfigError(f"The listener {name!r}: {error}", (*key, "endpoint")) from None
    if config.development and not is_loopback(endpoint):
        raise ConfigError(f"The listener {name!r} ({endpoint}) is not on loopback. Development mode accepts mail for any address "
                          "and speaks to this machine alone; configure a real server with --config, or --domain and --auth.", key)
    if listener.role == "smtp":
        listener = dataclasses.replace(listener, role="mx")
    if listener.role == "lmtp" and re.match(r"tcp6?:25(:|$)", endpoint):
        raise ConfigError(f"The listener {name!r} has port 25, where the world speaks SMTP; LMTP is usually at 24 or a Unix "
                          "socket (RFC 2033 section 5).", (*key, "endpoint"))
    if listener.role == "relay-in" and not config.relay_in.networks:
        raise ConfigError(f'The listener {name!r} has role = "relay-in", which takes mail for anybody: name who may send it, '
                          'networks = ["192.0.2.0/24"] under [relay_in].', key)
    if listener.tls == "none" and listener.plaintext_login == "tls" and config.takes_passwords(listener):
        raise ConfigError(f'The listener {name!r} has tls = "none" and plaintext_login = "tls": nobody could log in there.', key)
    return dataclasses.replace(listener, endpoint=endpoint)


def load(path: Path) -> Config:
    """Read a TOML file; paths in it are relative to its folder. Raises ConfigError."""
    document = Document.load(path)
    config = dataclasses.replace(read(document, Config, FIXED), place=document.place)
    return relative_to(config, path.parent.absolute())


def relative_to(config: Config, base: Path) -> Config:
    """`config` with its paths made absolute; plugins resolve theirs with `IBuildContext.path`."""
    tls = dataclasses.replace(
        config.tls,
        certificate=base / config.tls.certificate if config.tls.certificate else None,
        key=base / config.tls.key if config.tls.key else None,
        also=tuple(Certificate(base / item.certificate, base / item.key) for item in config.tls.also),
    )
    return dataclasses.replace(config, data=base / config.data, tls=tls, relay=_relay_relative_to(config.relay, base), base=base)


def _relay_relative_to(relay: RelaySettings, base: Path) -> RelaySettings:
    def absolute(host: Smarthost) -> Smarthost:
        return dataclasses.replace(host, ca_file=base / host.ca_file) if host.ca_file else host

    return dataclasses.replace(
        relay, smarthost=absolute(relay.smarthost) if relay.smarthost else None,
        routes={domain: absolute(host) for domain, host in relay.routes.items()})
