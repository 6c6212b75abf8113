"""What can be set about an SMTP server, each limit with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from mailframe.model.networks import checked_networks, within

Role = Literal["mx", "submission", "lmtp", "relay-in"]
PlaintextLogin = Literal["tls", "loopback", "always"]
PriorityProfile = Literal["", "MIXER", "STANAG4406", "NSEP"]
BareNewlines = Literal["role", "refuse", "normalise", "local"]

_ANSWERED_S, _COMMITTED_S, _SUBMITTED_S = 270.0, 540.0, 110.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """An SMTP listener's manners and limits. Wrong values raise ValueError with a sentence that names the key."""

    hostname: str = "localhost"                # our name in the greeting, EHLO and the trace header
    role: Role = "mx"                          # from other servers, from our users (RFC 6409), by LMTP (RFC 2033), from own hosts
    banner: str = ""                           # after the host name in the greeting; "": ESMTP or LMTP, nothing about versions
    networks: tuple[str, ...] = ()             # who may connect: "192.0.2.0/24", "unix"; empty: anybody, but to relay-in nobody
    require_login: bool | None = None          # None: as the role has it; RFC 6409 section 4.3 wants it of a submission server
    plaintext_login: PlaintextLogin = "tls"    # where AUTH PLAIN and LOGIN may be used; a password in the clear is given away
    max_message_octets: int = 50 * 1024 * 1024  # what the large mail providers take; 0: none of its own
    max_recipients: int = 1_000                # RFC 5321 section 4.5.3.1.8 asks for 100; mailing lists send more at once
    bare_newlines: BareNewlines = "role"       # CR or LF alone smuggles mail through others: refuse with 550, or normalise to CRLF
                                               # (local: of clients on this machine only); role: local for submission, else refuse
    chunking: bool = True                      # announce CHUNKING, and BINARYMIME where the delivery agent keeps it (RFC 3030)
    xclient_from: tuple[str, ...] = ()         # proxies whose XCLIENT is believed: it says who is speaking, and who has logged in
    xforward_from: tuple[str, ...] = ()        # filters whose XFORWARD is believed: it says what the log tells of an origin
    max_mails: int = 0                         # MAIL commands in one connection, then 421; 0: any number, a kept one costs least
    max_recipient_domains: int = 0             # of all recipients in one connection; 0: any number, we hand on to each by itself
    dsn: bool = True                           # announce DSN (RFC 3461), where the delivery agent honours its parameters
    etrn: bool = True                          # announce ETRN (RFC 1985), where somebody may start the queue with it
    smtputf8: bool = True                      # announce SMTPUTF8 (RFC 6531)
    complete_domain: str = ""                  # what a bare local part in MAIL and RCPT gets (RFC 6409 section 4.2); "": an error
    max_hold_s: int = 30 * 86_400              # the longest by FUTURERELEASE (submission): what waits takes disk; 0: not announced
    deliver_by: bool = True                    # announce DELIVERBY (RFC 2852), where the delivery agent honours its parameter
    min_deliver_by_s: int = 0                  # least time of its mode R: more, where mail always takes a while to leave; 0: none
    mt_priority: bool = True                   # announce MT-PRIORITY (RFC 6710), where the delivery agent honours its parameter
    priority_profile: PriorityProfile = ""     # the name announced with it: whose meanings its numbers have; "": no name
    max_priority: int | None = None            # higher ones are lowered to this; none: 4 for own users, 9 for own hosts, else 0
    no_soliciting: tuple[str, ...] = ()        # NO-SOLICITING (RFC 3865); set by the build from the pipeline's setting
    idle_timeout_s: float = 300.0              # for a whole command line: at least 5 minutes (RFC 5321 section 4.5.3.2.7)
    data_timeout_s: float = 300.0              # between two chunks of data; clients allow themselves 3 (section 4.5.3.2.5)
    transaction_timeout_s: float = 3_600.0     # from MAIL to the end of the data, and longer as the message is long (next line)
    min_octets_per_s: int = 500                # a modem's tenth: who sends an octet now and then must not hold a place for ever
    answer_timeout_s: float | None = None      # for a plugin's answer; none: 270, as clients wait 5 minutes (sections 4.5.3.2.1 to
                                               # 4.5.3.2.3), and 110 for submission, where they wait 2 (RFC 6409 section 5.3)
    commit_timeout_s: float | None = None      # at the end of the data; none: 540, as clients wait 10 (section 4.5.3.2.6), and 110
                                               # for submission
    refused_timeout_s: float = 10.0            # for QUIT of who was refused at once (RFC 5321 section 3.1): no place for long
    close_timeout_s: float = 10.0              # for a client to take our last words before the connection is cut
    max_errors: int = 20                       # bad commands since the last accepted message, then 421: nobody means so many
    max_idle_commands: int = 100               # NOOP, RSET and their like, and refused messages, since the last accepted one;
                                               # then each is an error (never from this machine): to keep alive, few are needed
    max_refused_recipients: int = 100          # refused ones (VRFY, too) since the last accepted message, then 421: guessing
    max_logged_refusals: int = 100             # since the last accepted message; the rest are one line: none fills the disk
    max_auth_failures: int = 3                 # per connection: guessing must pay for a new connection
    auth_failure_delay_s: float = 1.0          # slows guessing, too short to annoy
    max_connections: int = 1_000               # a file descriptor and some 10 KiB each
    max_connections_per_ip: int = 100          # one peer must not take them all (I3); an IPv6 peer is a /64

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", self.hostname):
            raise ValueError(f"hostname must be a domain name, not {self.hostname!r}")
        if not self.banner.isascii() or not (self.banner.isprintable() and len(self.banner) <= 200):
            raise ValueError("banner must be one short line of printable ASCII")
        for key in ("networks", "xclient_from", "xforward_from"):
            object.__setattr__(self, key, checked_networks(key, getattr(self, key)))
        for key, words in (("role", Role), ("plaintext_login", PlaintextLogin), ("bare_newlines", BareNewlines),
                           ("priority_profile", PriorityProfile)):
            if getattr(self, key) not in get_args(words):
                raise ValueError(f"{key} must be one of {', '.join(get_args(words))}, not {getattr(self, key)!r}")
        for key in _POSITIVE:
            value = getattr(self, key)
            if value is not None and value <= 0:
                raise ValueError(f"{key} must be greater than 0, not {value!r}")
        for key in ("max_message_octets", "auth_failure_delay_s", "max_mails", "max_recipient_domains", "max_hold_s",
                    "min_deliver_by_s"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} must not be negative")
        for key in ("max_hold_s", "min_deliver_by_s"):
            if getattr(self, key) > 999_999_999:
                raise ValueError(f"{key} must have at most nine digits")     # as RFC 4865 and RFC 2852 write it
        if self.max_priority is not None and not -9 <= self.max_priority <= 9:
            raise ValueError("max_priority must be from -9 to 9")

    def admits(self, ip: str) -> bool:
        """Whether somebody may connect from `ip` ("": a Unix socket). A relay for everybody would be spam's; it wants names."""
        return within(ip, self.networks) if self.networks or self.role == "relay-in" else True

    @property
    def answers_within_s(self) -> float:
        """The patience with a plugin, wherever a client waits for it but at the end of the data."""
        return self.answer_timeout_s or (_SUBMITTED_S if self.role == "submission" else _ANSWERED_S)

    @property
    def commits_within_s(self) -> float:
        """The patience with the delivery agent at the end of the data."""
        return self.commit_timeout_s or (_SUBMITTED_S if self.role == "submission" else _COMMITTED_S)

    @property
    def wants_login(self) -> bool:
        """Whether MAIL needs AUTH before."""
        return self.role == "submission" if self.require_login is None else self.require_login

    def normalises(self, *, local: bool) -> bool:
        """Whether a CR or LF alone becomes CRLF, in a message of a client on this machine (`local`) or of another."""
        policy = self.bare_newlines
        if policy == "role":
            policy = "local" if self.role == "submission" else "refuse"
        return policy == "normalise" or (policy == "local" and local)


_POSITIVE = (
    "max_recipients", "idle_timeout_s", "data_timeout_s", "transaction_timeout_s", "min_octets_per_s", "answer_timeout_s",
    "commit_timeout_s", "refused_timeout_s", "close_timeout_s", "max_errors", "max_idle_commands",
    "max_refused_recipients", "max_logged_refusals", "max_auth_failures", "max_connections", "max_connections_per_ip",
)
