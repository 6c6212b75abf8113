"""LIMITS (RFC 9422): what a client may send here is told before it is refused."""

from __future__ import annotations

from mailframe.model.address import Address
from mailframe.model.refusal import Refusal, TooManyRecipients

from ..extension import Conversation, Extension
from ..situation import Situation

_MOST = 999_999     # six digits are all that a value has (sections 4.1 to 4.3)


class TooManyMails(Refusal):
    """The connection ends: the client goes on in another one."""

    public, smtp = "Too many transactions in one connection, please connect again", (421, "4.7.0")


class TooManyDomains(TooManyRecipients):
    public = "Too many recipient domains in one connection"


def keywords(situation: Situation) -> tuple[str, ...]:
    """Only limits that there are (section 4); they may differ after a login or under TLS (section 3.6)."""
    settings = situation.settings
    words = [f"{name}={min(value, _MOST)}" for name, value in (
        ("MAILMAX", settings.max_mails), ("RCPTMAX", settings.max_recipients), ("RCPTDOMAINMAX", settings.max_recipient_domains),
    ) if value]
    return (" ".join(["LIMITS", *words]),)


def count_mail(session: Conversation) -> None:
    """MAILMAX (section 4.1): every MAIL counts, whatever becomes of it. Raises TooManyMails."""
    session.mails += 1
    if 0 < session.settings.max_mails < session.mails:
        raise TooManyMails


def check_domain(session: Conversation, address: Address) -> None:
    """RCPTDOMAINMAX (section 4.3): domains of recipients in one session. Raises TooManyDomains."""
    most = session.settings.max_recipient_domains
    if most and address.domain not in session.recipient_domains:
        if len(session.recipient_domains) >= most:
            raise TooManyDomains
        session.recipient_domains += (address.domain,)


EXTENSION = Extension("LIMITS", "9422", keywords=keywords)
