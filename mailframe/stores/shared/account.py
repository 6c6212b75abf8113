"""A user's account as sessions reach it: its own mailboxes, the very objects of the store, and others' behind their guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.sharing import IAcl, INamespaces
from mailframe.interfaces.store import IAccount, IMailbox, IMailboxFinder, ISpecialUses
from mailframe.model.mailbox import Listeners, MailboxInfo, MailboxList, NewMailbox
from mailframe.model.namespaces import Namespaces
from mailframe.model.refusal import Forbidden, NoPermission
from mailframe.model.rights import ANYONE, AUTHENTICATED, EVERY, NEGATIVE, RightsChange

from .hints import Hints
from .keeper import Keeper
from .names import Naming, Place, place_of
from .others import Others, nearest, uidvalidity
from .settings import SharingSettings


@implementer(IAccount, IMailboxFinder, IAcl, INamespaces)
class SharedAccount:
    """`inner` is the user's own account; own names come first where an old one lies below the prefix."""

    def __init__(self, inner: Any, name: str, keeper: Keeper, settings: SharingSettings, others: Others) -> None:
        self.inner = inner
        self._name = name
        self._keeper = keeper
        self._settings = settings
        self._naming = Naming(settings.prefix)
        self.others = others
        self._hints = Hints(others.open_account, keeper.listeners)
        self._listeners = Listeners()

    def namespaces(self) -> Namespaces:
        """See INamespaces."""
        return Namespaces(others=(self._naming.root,))

    # -- IAccount

    async def mailboxes(self) -> MailboxList:
        """See IAccount, IAcl."""
        listing: MailboxList = await settled(self.inner.mailboxes())
        others = await self.others.visible()
        if not others:
            return listing
        own = {info.name for info in listing.mailboxes}
        return MailboxList((*listing.mailboxes, *(info for info in others if info.name not in own)), listing.subscribed)

    async def find_mailbox(self, name: str) -> MailboxInfo | None:
        """See IMailboxFinder, IAcl."""
        info = await found(self.inner, name)
        return await self.others.find(name) if info is None and self._naming.foreign(name) else info

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        """See IAccount. It inherits the list of the nearest parent (RFC 4314 section 4)."""
        if self._naming.foreign(mailbox.name):
            return await self.others.create(mailbox)
        made: MailboxInfo = await settled(self.inner.create(mailbox))
        if await self._keeper.shares(self._name):
            parent = await nearest(self.inner, mailbox.name)
            if parent is not None:
                await self.others.inherit(self._name, self.inner, made, parent)
        return made

    async def delete(self, mailbox_id: str) -> None:
        """See IAccount. Nobody's grant outlives the mailbox."""
        if place_of(mailbox_id) is not None:
            await self.others.delete(mailbox_id)
            return
        await settled(self.inner.delete(mailbox_id))
        await self._keeper.forget(Place(self._name, mailbox_id))

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        """See IAccount. Grants stay with the mailbox."""
        if all(place_of(mailbox_id) is not None for mailbox_id, _ in moves):
            await self.others.rename(moves)
            return
        if any(place_of(mailbox_id) is not None or self._naming.foreign(name) for mailbox_id, name in moves):
            raise Forbidden("A mailbox stays with its owner")
        await settled(self.inner.rename(moves))

    async def set_subscribed(self, name: str, subscribed: bool) -> None:
        """See IAccount. Everybody subscribes for himself, to others' mailboxes too."""
        await settled(self.inner.set_subscribed(name, subscribed))

    async def open_mailbox(self, mailbox_id: str) -> IMailbox:
        """See IAccount."""
        place = place_of(mailbox_id)
        if place is None:
            own: IMailbox = await settled(self.inner.open_mailbox(mailbox_id))
            return own
        mailbox = await self.others.open(mailbox_id)
        await self._hints.visit(place)
        return mailbox

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """See IAccount. Of others' mailboxes those that were opened here."""
        ends = [self.inner.subscribe(listener), self._hints.add(listener)]

        def end() -> None:
            for each in ends:
                each()
        return end

    # -- IAcl

    async def acl(self, mailbox_id: str) -> Mapping[str, str]:
        """See IAcl."""
        owner, place, validity = await self._administered(mailbox_id)
        return {owner: EVERY, **await self._keeper.entries(place, validity)}

    async def set_acl(self, mailbox_id: str, identifier: str, change: RightsChange) -> None:
        """See IAcl."""
        owner, place, validity = await self._administered(mailbox_id)
        if identifier == owner and change.apply(EVERY) == EVERY:
            return
        if identifier.removeprefix(NEGATIVE) == owner:
            raise Forbidden("The owner always has all rights")
        if not self._may_be_granted(identifier) and change.sign != "-" and change.rights:
            raise NoPermission("Mailboxes are not shared with everybody here")
        await self._keeper.change(place, validity, identifier, change)

    async def grantable(self, mailbox_id: str, identifier: str) -> tuple[str, Sequence[str]]:
        """See IAcl."""
        owner, _, _ = await self._administered(mailbox_id)
        if identifier.removeprefix(NEGATIVE) == owner:
            return (EVERY, ()) if identifier == owner else ("", ())
        return "", tuple(EVERY) if self._may_be_granted(identifier) else ()

    def _may_be_granted(self, identifier: str) -> bool:
        return self._settings.anyone or identifier not in (ANYONE, AUTHENTICATED)

    async def _administered(self, mailbox_id: str) -> tuple[str, Place, int]:
        """(owner, where, UIDVALIDITY) of a mailbox on which the user has "a". Raises NoSuchMailbox, NoPermission."""
        if place_of(mailbox_id) is None:
            place = Place(self._name, mailbox_id)
            return self._name, place, await uidvalidity(self.inner, mailbox_id)
        grant, _ = await self.others.reach(mailbox_id, "a")
        return grant.place.owner, grant.place, grant.uidvalidity


@implementer(ISpecialUses)
class SpecialUsesOfOwn(SharedAccount):
    """Over an account whose special uses can be changed."""

    async def set_special_uses(self, uses: Mapping[str, str | None]) -> None:
        """See ISpecialUses. Those of others' mailboxes are given by their owners."""
        if any(place_of(mailbox_id) is not None for mailbox_id in uses):
            raise NoPermission("Special uses are given by the owner")
        await settled(self.inner.set_special_uses(uses))
