"""What the user may do with a mailbox: the one question of every command that names or changes one (RFC 4314 section 4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.sharing import INamespaces, IRestricted
from mailframe.interfaces.store import IAccount, IMailbox
from mailframe.model.flags import FIRST_KEYWORD_BIT, system_bit
from mailframe.model.mailbox import MailboxInfo
from mailframe.model.namespaces import Namespaces
from mailframe.model.refusal import NoPermission, NoSuchMailbox
from mailframe.model.rights import flags_by, has

WRITING = "iswte"       # with none of these a mailbox is told to be READ-ONLY (section 5.2)
ANY = "lrikxa"          # with none of these MYRIGHTS knows of no mailbox (section 4)

_KEYWORDS = 1 << FIRST_KEYWORD_BIT      # all keywords fall under one right


def need(info: MailboxInfo, wanted: Collection[str]) -> MailboxInfo:
    """`info`, on which the user has all of `wanted`. Raises NoPermission; or, of a mailbox that he may not see, what is
    raised where there is none (section 6)."""
    if has(info.rights, wanted):
        return info
    raise NoPermission if has(info.rights, "l") else NoSuchMailbox


async def known(account: IAccount, name: str, wanted: Collection[str] = "l") -> MailboxInfo | None:
    """The mailbox of that name; None where there is none, and where the user may neither see it nor do what is `wanted`."""
    info = await found(account, name)
    return info if info is not None and (has(info.rights, wanted) or has(info.rights, "l")) else None


async def rights_in(mailbox: IMailbox) -> str | None:
    """Of an opened mailbox, as they are now; None is everything. Raises NoSuchMailbox when nothing is left."""
    if not IRestricted.providedBy(mailbox):
        return None
    restricted: IRestricted = mailbox
    return await settled(restricted.rights())


async def may(mailbox: IMailbox, wanted: Collection[str]) -> bool:
    """Whether the user has all of `wanted` now."""
    try:
        return has(await rights_in(mailbox), wanted)
    except NoSuchMailbox:
        return False


async def must(mailbox: IMailbox, wanted: Collection[str]) -> None:
    """Raises NoPermission."""
    if not await may(mailbox, wanted):
        raise NoPermission


def settable(rights: str | None, flags: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of `flags` (system flags that there are, and keywords) that the user may set."""
    mask = flags_by(rights)
    return tuple(flag for flag in flags if mask & (system_bit(flag) or _KEYWORDS))


def namespaces(account: IAccount) -> Namespaces:
    if not INamespaces.providedBy(account):
        return Namespaces()
    shown: INamespaces = account
    return shown.namespaces()


def foreign(account: IAccount) -> tuple[str, ...]:
    """How names begin that are not in the user's personal namespace."""
    known = namespaces(account)
    return (*known.others, *known.shared)


def is_others(account: IAccount, name: str) -> bool:
    """Whether a mailbox of that name would be somebody else's."""
    return any((name + "/").startswith(prefix) for prefix in namespaces(account).others)
