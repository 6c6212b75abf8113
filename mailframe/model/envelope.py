"""What SMTP knows of a message besides its octets: the peer, the sender, each recipient."""

from __future__ import annotations

from dataclasses import dataclass, field

from .address import Address


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a connection at the moment when something was asked."""

    ip: str                        # textual address without brackets or zone; "": through a Unix socket, or a local origin
    port: int = 0
    helo: str = ""                 # what it called itself, as given
    protocol: str = "SMTP"         # the "with" word of Received: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP... (RFC 3848, 6531)
    tls: str = ""                  # e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" in the clear
    account: str | None = None     # the authenticated account's name
    listener: str = ""             # the configured listener's name, for logs and filters
    role: str = ""                 # what that listener is for: mx, submission, lmtp, relay-in (`smtp.settings.Role`)
    name: str = ""                 # its name in DNS, which leads back to `ip`; "": not known, or not asked
    via: str = ""                  # the address of the proxy in front of us that told `ip`; "": it came by itself

    @property
    def local_origin(self) -> bool:
        """Whether this is a part of ours (the queue with a report) rather than a client of a listener."""
        return not self.ip and not self.role


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT with its DSN parameters (RFC 3461 section 4)."""

    address: Address
    notify: frozenset[str] = frozenset()   # of NEVER, SUCCESS, FAILURE, DELAY; empty: not given
    orcpt: str | None = None               # "rfc822;bob@example.org", decoded
    account: str | None = None             # set by routing for an own account
    folder: str = "INBOX"                  # set by routing: the mailbox of that account
    expanded: bool = False                 # set by routing: an alias for several, here only to be reported (RFC 3461 5.2.7)
    valid_since: float | None = None       # RRVS (RFC 7293): who has had the address only later must not get it; epoch seconds
    without_rrvs: str = ""                 # and where a next host cannot tell: "C": it goes on, "R": it comes back; "": as "R"

    def at(self, account: str, folder: str) -> Recipient:
        """In a mailbox of ours."""
        return Recipient(
            self.address, self.notify, self.orcpt, account, folder, self.expanded, self.valid_since, self.without_rrvs)

    def __hash__(self) -> int:
        """By what mostly differs: recipients are the keys of every outcome."""
        return hash((self.address.local, self.address.domain))

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class DeliverBy:
    """``BY=`` of DELIVERBY (RFC 2852 section 4)."""

    at: float                      # the deadline, in seconds since the epoch
    notify: bool = False           # by-mode N: when it passes, tell the sender and go on trying; R, the default: return the message
    trace: bool = False            # the sender wants to be told of each hand-over ("T")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail transaction. `id` runs through every log line from MAIL to the next hop's reply."""

    id: str
    sender: Address | None                 # None: the null reverse-path <>
    peer: Peer = field(default_factory=lambda: Peer(""))
    received_at: float = 0.0               # seconds since the epoch
    size: int | None = None                # as declared with MAIL ... SIZE= (octets)
    body: str = "7BIT"                     # or 8BITMIME, BINARYMIME (RFC 3030)
    smtputf8: bool = False
    ret: str | None = None                 # FULL or HDRS (RFC 3461 section 4.3)
    envid: str | None = None
    hold_until: float | None = None        # FUTURERELEASE (RFC 4865): not to be delivered or handed on before; epoch seconds
    deliver_by: DeliverBy | None = None    # DELIVERBY (RFC 2852)
    priority: int = 0                      # MT-PRIORITY (RFC 6710): -9 to 9, higher first
    require_tls: bool = False              # REQUIRETLS (RFC 8689)
    solicitation: str = ""                 # SOLICIT= (RFC 3865): keywords with commas between

    @property
    def submitted(self) -> bool:
        """Whether an authenticated user of ours hands this in (RFC 6409); other hosts may log in, too, but only pass it on."""
        return self.peer.account is not None and self.peer.role not in ("lmtp", "relay-in")
