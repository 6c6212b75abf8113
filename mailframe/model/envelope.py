"""What SMTP knows of a message besides its octets: the peer, the sender, each recipient."""

from __future__ import annotations

from dataclasses import dataclass, field

from .address import Address


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a connection at the moment when something was asked."""

    ip: str                        # textual address without brackets or zone; "" for a local origin (queue, bounce)
    port: int = 0
    helo: str = ""                 # what it called itself, as given
    protocol: str = "SMTP"         # the "with" word of Received: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP... (RFC 3848, 6531)
    tls: str = ""                  # e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" in the clear
    account: str | None = None     # the authenticated account's name
    listener: str = ""             # the configured listener's name, for logs and filters


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT with its DSN parameters (RFC 3461 section 4)."""

    address: Address
    notify: frozenset[str] = frozenset()   # of NEVER, SUCCESS, FAILURE, DELAY; empty: not given
    orcpt: str | None = None               # "rfc822;bob@example.org", decoded
    account: str | None = None             # set by routing for an own account
    folder: str = "INBOX"                  # set by routing: the mailbox of that account

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail transaction. `id` runs through every log line from MAIL to the next hop's reply."""

    id: str
    sender: Address | None                 # None: the null reverse-path <>
    peer: Peer = field(default_factory=lambda: Peer(""))
    received_at: float = 0.0               # seconds since the epoch
    size: int | None = None                # as declared with MAIL ... SIZE= (octets)
    body: str = "7BIT"                     # or 8BITMIME
    smtputf8: bool = False
    ret: str | None = None                 # FULL or HDRS (RFC 3461 section 4.3)
    envid: str | None = None

    @property
    def submitted(self) -> bool:
        """Whether an authenticated user of ours hands this in (RFC 6409)."""
        return self.peer.account is not None
