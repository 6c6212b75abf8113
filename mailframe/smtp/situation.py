"""What an extension's keywords and parameters are given: a session's situation, and the drafts that they fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailframe.model.envelope import DeliverBy
from mailframe.sasl.exchange import Mechanism

from .reply import Reply
from .settings import SmtpSettings


@dataclass(frozen=True, slots=True)
class Situation:
    """All that EHLO's answer is computed from."""

    settings: SmtpSettings
    tls: bool                                  # this connection is encrypted
    tls_available: bool                        # it could be
    loopback: bool                             # the client is on this machine
    login_available: bool                      # there is a portal
    account: str | None                        # who has logged in
    mechanisms: Mapping[bytes, Mechanism]
    now: float = 0.0                           # seconds since the epoch, when it was last looked at
    origin: str = ""                           # the address of the connection, whoever it is that speaks by XCLIENT
    honours: frozenset[str] = frozenset()      # EHLO keywords whose parameters are kept behind us (`interfaces.delivery.IHonours`)

    @property
    def plaintext_allowed(self) -> bool:
        """Whether mechanisms that show the password may be used here."""
        where = self.settings.plaintext_login
        return self.tls or where == "always" or (where == "loopback" and self.loopback)


@dataclass(slots=True)
class MailDraft:
    """What the parameters of MAIL have said so far."""

    situation: Situation
    now: float                                 # seconds since the epoch
    size: int | None = None                    # octets, as announced (RFC 1870)
    body: str = "7BIT"                         # or 8BITMIME (RFC 6152), BINARYMIME (RFC 3030)
    smtputf8: bool = False                     # RFC 6531
    ret: str | None = None                     # FULL or HDRS (RFC 3461 section 4.3)
    envid: str | None = None                   # what its xtext stands for (RFC 3461 section 4.4)
    hold_until: float | None = None            # seconds since the epoch (RFC 4865)
    deliver_by: DeliverBy | None = None        # RFC 2852
    priority: int = 0                          # -9 to 9, higher ones go first (RFC 6710)
    require_tls: bool = False                  # RFC 8689
    solicitation: str = ""                     # classes, with commas between (RFC 3865 section 2.3)
    remarks: Mapping[str, str] | None = None   # for the message's log line
    reply: Reply | None = None                 # what MAIL is answered instead of the usual, when it is taken


@dataclass(slots=True)
class RcptDraft:
    """What the parameters of one RCPT have said so far."""

    situation: Situation
    smtputf8: bool = False                     # of the transaction
    notify: frozenset[str] = frozenset()       # of NEVER, SUCCESS, FAILURE, DELAY; none: not said (RFC 3461 section 4.1)
    orcpt: str | None = None                   # type;address, decoded (RFC 3461 section 4.2)
    valid_since: float | None = None           # seconds since the epoch (RFC 7293)
    without_rrvs: str = ""                     # "C" or "R", as in `model.envelope.Recipient` (RFC 7293 section 3.1)
