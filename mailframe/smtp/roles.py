"""What sets the roles of a listener apart on the wire: a table of values, read by the one session that serves them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .settings import Role


@dataclass(frozen=True, slots=True)
class Manners:
    """How a role speaks. The words are those behind "with" in Received (RFC 3848, RFC 6531 section 4.3)."""

    banner: str = "ESMTP"          # after the host name in the greeting
    plain: str = "SMTP"            # after HELO
    extended: str = "ESMTP"        # after EHLO or LHLO; S and A are added for TLS and a login
    utf8: str = "UTF8SMTP"         # with SMTPUTF8
    each: bool = False             # a message is answered for each recipient, not once for all (RFC 2033 section 4.2)


_SMTP = Manners()
_MANNERS: Mapping[Role, Manners] = {
    "mx": _SMTP, "submission": _SMTP, "relay-in": _SMTP,
    "lmtp": Manners("LMTP", "LMTP", "LMTP", "UTF8LMTP", each=True),
}

#: The roles that speak SMTP, to which HELO and EHLO belong; LMTP has LHLO (RFC 2033 section 4.1).
SMTP_ROLES: frozenset[Role] = frozenset(role for role in _MANNERS if role != "lmtp")
LMTP_ROLES: frozenset[Role] = frozenset(("lmtp",))


def manners(role: Role) -> Manners:
    return _MANNERS[role]
