"""The header fields that a mail program left out of what it submits (RFC 6409 section 8) [pure]."""

from __future__ import annotations

from mailframe.mime.date import mail_date
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope
from mailframe.pipeline.trace import clean, mailbox, word

from .authors import Authors


def missing_fields(found: Authors, envelope: Envelope, hostname: str) -> str:
    """Date and Message-ID (RFC 6409 sections 8.2 and 8.3); of a redirected message also the Resent- ones, which stand
    next to those that are there (RFC 5322 section 3.6.6). Each complete with CRLF."""
    date, name = mail_date(envelope.received_at), f"{word(envelope.id)}.{envelope.received_at:.0f}@{clean(hostname)}"
    lines = ""
    if b"date" not in found.names:
        lines += f"Date: {date}\r\n"
    if b"message-id" not in found.names:
        lines += f"Message-ID: <{name}>\r\n"
    if found.redirected:
        if b"resent-date" not in found.names:
            lines += f"Resent-Date: {date}\r\n"
        if b"resent-message-id" not in found.names:
            lines += f"Resent-Message-ID: <r.{name}>\r\n"
    return lines


def author_field(name: str, address: Address) -> str:
    """From or Sender, complete with CRLF."""
    return f"{name}: {mailbox(address)}\r\n"


def own_address(envelope: Envelope, account: str, hostname: str) -> Address:
    """Whom to name where the client named nobody: the sender of the envelope, or the account."""
    if envelope.sender is not None and envelope.sender.domain:
        return envelope.sender
    return account_address(account, hostname)


def account_address(account: str, hostname: str) -> Address:
    """An account's own address; one without a domain is at this server."""
    try:
        address = Address.parse(account)
    except ValueError:
        address = Address(account, hostname)
    return address if address.domain else Address(account, hostname)
