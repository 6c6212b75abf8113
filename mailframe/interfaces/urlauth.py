"""Mailbox access keys: the secrets by which URLs of messages are signed, so that others may fetch them (RFC 4467)."""

from __future__ import annotations

from zope.interface import Interface

from .store import IAccount


class IMailboxKeys(Interface):
    """One random key for each mailbox that a URL was ever made for; `mailbox_id` is `MailboxInfo.id`, so that a key
    survives RENAME and never fits a mailbox that is made anew. What changes something is durable on return (I1), and no key
    is ever written to a log (I9)."""

    async def key(account: str, mailbox_id: str) -> bytes | None:
        """The mailbox's key, None if it has none."""

    async def made(account: str, mailbox_id: str) -> bytes:
        """The mailbox's key, made now if it has none."""

    async def reset(account: str, mailbox_id: str | None) -> None:
        """A new key for the mailbox; None: no mailbox of the account has a key any more. URLs signed by old ones are void."""

    async def open_account(name: str) -> IAccount | None:
        """The account that a URL names as its owner; None, and nothing is made, if it has no keys."""
