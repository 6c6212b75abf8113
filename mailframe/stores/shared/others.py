"""One user's way to other accounts' mailboxes: what is listed, found, opened, made, renamed and deleted there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox
from mailframe.model.mailbox import INBOX, SEPARATOR, MailboxInfo, MailboxList, MailboxStatus, NewMailbox
from mailframe.model.refusal import Forbidden, MailboxExists, NoPermission, NoSuchMailbox, Refusal
from mailframe.model.rights import has

from .guarded import guarded, refused
from .keeper import Grant, Keeper
from .names import Naming, Place, id_of, place_of

_log = Logger()
OpenAccount = Callable[[str], Awaitable[IAccount]]      # of an account that shares something, so it exists


class Others:
    """`user` is who asks. Nothing is told of what he has no right to, not by another error either (RFC 4314 section 6)."""

    def __init__(self, keeper: Keeper, naming: Naming, user: str, open_account: OpenAccount) -> None:
        self._keeper = keeper
        self._naming = naming
        self._user = user
        self.open_account = open_account

    async def visible(self) -> list[MailboxInfo]:
        """Those with the right "l"; one question where nothing is shared. An owner's trouble hides his mailboxes alone (I7)."""
        seen: list[MailboxInfo] = []
        grants = [grant for grant in await self._keeper.shared_with(self._user) if "l" in grant.rights]
        for owner, group in groupby(grants, lambda grant: grant.place.owner):
            try:
                seen += await self._of(owner, list(group))
            except Refusal as refusal:
                _log.warn("mailboxes that {owner} shares are not listed: {why}", owner=owner, why=str(refusal))
            except CancelledError:
                raise
            except Exception:
                _log.failure("mailboxes that {owner} shares are not listed", owner=owner)
        return seen

    async def _of(self, owner: str, grants: Iterable[Grant]) -> list[MailboxInfo]:
        account = await self.open_account(owner)
        listing: MailboxList = await settled(account.mailboxes())
        infos = {info.id: info for info in listing.mailboxes}
        shown = []
        for grant in grants:
            info = infos.get(grant.place.what)
            if info is None:
                await self._keeper.forget(grant.place)          # deleted where we were not asked
            elif await self._same(account, grant):
                shown.append(self._shown(grant, info))
        return shown

    def _shown(self, grant: Grant, info: MailboxInfo) -> MailboxInfo:
        """Special uses are the owner's: what is his Trash is not the visitor's."""
        owner = grant.place.owner
        return MailboxInfo(id_of(grant.place), self._naming.join(Place(owner, info.name)), None, grant.rights, owner)

    async def _same(self, account: IAccount, grant: Grant) -> bool:
        """Whether it is still the mailbox that was shared: a store may have forgotten everything and begun anew."""
        place = grant.place
        if place not in self._keeper.seen:
            try:
                mailbox: IMailbox = await settled(account.open_mailbox(place.what))
                status: MailboxStatus = await settled(mailbox.status())
            except NoSuchMailbox:
                await self._keeper.forget(place)
                return False
            self._keeper.seen[place] = status.uidvalidity
        if self._keeper.seen[place] == grant.uidvalidity:
            return True
        await self._keeper.forget(place)
        return False

    async def find(self, name: str) -> MailboxInfo | None:
        """With any right; the caller asks which."""
        place = self._naming.split(name)
        if place is None or place.owner == self._user:
            return None
        grants = {grant.place.what: grant for grant in await self._keeper.shared_by(place.owner, self._user)}
        if not grants:
            return None
        account = await self.open_account(place.owner)
        info = await found(account, place.what)
        if info is None or info.id not in grants or not await self._same(account, grants[info.id]):
            return None
        return self._shown(grants[info.id], info)

    async def open(self, mailbox_id: str) -> IMailbox:
        """Raises NoSuchMailbox, also where there is no right at all."""
        grant, account = await self.reach(mailbox_id)
        inner: IMailbox = await settled(account.open_mailbox(grant.place.what))
        mailbox: IMailbox = guarded(inner, self._keeper, grant, self._user)
        return mailbox

    async def reach(self, mailbox_id: str, wanted: str = "") -> tuple[Grant, IAccount]:
        """What the user may do there, `wanted` at least, and the owner's account. Raises NoSuchMailbox, NoPermission."""
        place = place_of(mailbox_id)
        grant = None if place is None else await self._keeper.grant(place, self._user)
        if grant is None or grant.place.owner == self._user:
            raise NoSuchMailbox
        account = await self.open_account(grant.place.owner)
        if not await self._same(account, grant):
            raise NoSuchMailbox
        if not has(grant.rights, wanted):
            raise refused(grant.rights)
        return grant, account

    # -- the tree

    async def create(self, mailbox: NewMailbox) -> MailboxInfo:
        """With its missing parents; needs "k" on the nearest parent that there is, whose list all of them inherit."""
        if mailbox.special_use is not None:
            raise Forbidden("Special uses are given by the owner", imap_code=b"USEATTR")
        place, account, parent = await self._making(mailbox.name)
        made = await self.make(place.owner, account, place.what, parent)
        grant = await self._keeper.grant(Place(place.owner, made.id), self._user)
        if grant is None:
            raise NoSuchMailbox         # taken away at this moment
        return self._shown(grant, made)

    async def _making(self, name: str) -> tuple[Place, IAccount, MailboxInfo]:
        """Whose, where, and below what `name` would come to be. Whatever is missing, the answer is the same NoPermission."""
        place = self._naming.split(name)
        if place is None or place.owner == self._user:
            raise NoPermission
        grants = {grant.place.what: grant for grant in await self._keeper.shared_by(place.owner, self._user)}
        if not any("k" in grant.rights for grant in grants.values()):
            raise NoPermission
        account = await self.open_account(place.owner)
        parent = await nearest(account, place.what)
        grant = None if parent is None else grants.get(parent.id)
        if parent is None or grant is None or "k" not in grant.rights or not await self._same(account, grant):
            raise NoPermission
        return place, account, parent

    async def make(self, owner: str, account: IAccount, name: str, parent: MailboxInfo) -> MailboxInfo:
        """`name` and what is missing between it and `parent`. Raises MailboxExists."""
        levels = name.split(SEPARATOR)
        for depth in range(parent.name.count(SEPARATOR) + 2, len(levels)):
            with suppress(MailboxExists):       # another session was faster
                between = await settled(account.create(NewMailbox(SEPARATOR.join(levels[:depth]))))
                await self.inherit(owner, account, between, parent)
        made: MailboxInfo = await settled(account.create(NewMailbox(name)))
        await self.inherit(owner, account, made, parent)
        return made

    async def inherit(self, owner: str, account: IAccount, made: MailboxInfo, parent: MailboxInfo) -> None:
        """RFC 4314 section 4, on CREATE."""
        entries = await self._keeper.entries(Place(owner, parent.id), await uidvalidity(account, parent.id))
        if entries:
            await self._keeper.inherit(Place(owner, made.id), await uidvalidity(account, made.id), entries.items())

    async def delete(self, mailbox_id: str) -> None:
        """Needs "x"."""
        grant, account = await self.reach(mailbox_id, "x")
        await _not_inbox(account, [grant])
        await settled(account.delete(grant.place.what))
        await self._keeper.forget(grant.place)

    async def rename(self, moves: Sequence[tuple[str, str]]) -> None:
        """Needs "x" on each, and "k" on the parent of where the first level goes."""
        reached = [await self.reach(mailbox_id, "x") for mailbox_id, _ in moves]
        if not reached:
            return
        account, owner = reached[0][1], reached[0][0].place.owner
        await _not_inbox(account, [grant for grant, _ in reached])
        places = [self._naming.split(name) for _, name in moves]
        owners = {place.owner if place else None for place in (*places, *(grant.place for grant, _ in reached))}
        if owners != {owner}:
            raise Forbidden("A mailbox stays with its owner")
        top = min((name for _, name in moves), key=lambda name: name.count(SEPARATOR))
        place, account, parent = await self._making(top)
        between = place.what.rpartition(SEPARATOR)[0]
        if between != parent.name:
            await self.make(owner, account, between, parent)
        await settled(account.rename([
            (grant.place.what, place.what) for (grant, _), place in zip(reached, places) if place is not None]))


async def nearest(account: IAccount, name: str) -> MailboxInfo | None:
    """The nearest parent of `name` that there is."""
    while SEPARATOR in name:
        name = name.rpartition(SEPARATOR)[0]
        info = await found(account, name)
        if info is not None:
            return info
    return None


async def uidvalidity(account: IAccount, mailbox_id: str) -> int:
    """Raises NoSuchMailbox."""
    mailbox: IMailbox = await settled(account.open_mailbox(mailbox_id))
    status: MailboxStatus = await settled(mailbox.status())
    return status.uidvalidity


async def _not_inbox(account: IAccount, grants: Iterable[Grant]) -> None:
    inbox = await found(account, INBOX)
    if inbox is not None and any(grant.place.what == inbox.id for grant in grants):
        raise Forbidden("Another account's INBOX stays where it is")
