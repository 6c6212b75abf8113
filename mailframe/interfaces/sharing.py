"""Mailboxes that accounts share: who may do what (RFC 4314), and where the others' are found (RFC 2342)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import Interface

from mailframe.model.mailbox import Quota
from mailframe.model.namespaces import Namespaces
from mailframe.model.rights import RightsChange

from .store import IMailbox


class IAcl(Interface):
    """An account whose mailboxes have access control lists; default closed. The framework keeps them beside any store.

    The account's list then holds, besides its own mailboxes, those of others that it may see (right "l"), with `owner` and
    `rights` in their `MailboxInfo`; `find_mailbox` finds all on which it has any right. Every method of a mailbox so opened
    is refused without the right it needs, as rights stand when it is called.
    """

    async def acl(mailbox_id: str) -> Mapping[str, str]:
        """Rights by identifier, the owner's first. Raises NoSuchMailbox, and NoPermission where "a" is missing."""

    async def set_acl(mailbox_id: str, identifier: str, change: RightsChange) -> None:
        """Change one identifier's rights; without any it is no longer in the list. Durable on return.

        Raises NoSuchMailbox, NoPermission where "a" is missing, Forbidden for what cannot be granted or taken away, and
        LimitReached.
        """

    async def grantable(mailbox_id: str, identifier: str) -> tuple[str, Sequence[str]]:
        """(rights that `identifier` always has, sets of rights that it can be given together). Raises as `acl` does."""


class INamespaces(Interface):
    """An account that shows others' mailboxes besides its own. No mailbox can be made at the top of a prefix in `others`,
    nor on the level below it, which holds the owners' names; below that, parents that are missing are made with their
    first child."""

    def namespaces() -> Namespaces:
        """Plain, and always the same."""


class IRestricted(IMailbox):
    """A mailbox in which not everybody may do everything."""

    async def rights() -> str:
        """What whoever opened it may do now (`mailframe.model.rights`). Raises NoSuchMailbox when that is nothing at all."""


class IAccountQuotas(Interface):
    """An account through which an administrator's session reaches the limits of others; who is one the caller knows."""

    async def account_quota(name: str) -> Quota | None:
        """Of the account `name`; None where there is no such account. Makes none."""

    async def set_account_quota(name: str, max_octets: int | None, max_messages: int | None) -> Quota | None:
        """As `IQuota.set_quota`, of the account `name`; returns use and limits from then on, None as above."""
