"""SPECIAL-USE and CREATE-SPECIAL-USE (RFC 6154): which mailbox is for drafts, sent mail, junk... also told in a plain LIST.

It is an annotation, too: /private/specialuse of a mailbox (section 4), which can be set where the store can change it.
"""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import ISpecialUses
from mailframe.model.mailbox import MailboxInfo, MailboxList
from mailframe.model.refusal import Forbidden, Refusal

from ..annotations import MetadataEntry
from ..commands.listing import ListReturn
from ..registry import Context, Extension, State

SPECIAL_USES = {use.upper(): use for use in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")}


class UnknownUse(Refusal):
    public, imap_code = "That special use is not supported", b"USEATTR"         # section 6


def one_use(words: list[bytes]) -> str | None:
    """A mailbox has one special use or none here. Raises UnknownUse."""
    uses = [SPECIAL_USES.get(word.decode("ascii", "replace").upper()) for word in words]
    if None in uses or len(uses) > 1:
        raise UnknownUse
    return uses[0] if uses else None


def _value(_: Context, info: MailboxInfo | None) -> bytes | None:
    return info.special_use.encode("ascii", "replace") if info is not None and info.special_use else None


async def _put(context: Context, info: MailboxInfo, value: bytes | None) -> bytes | None:
    """Taken from the mailbox that has it now, as in section 5.4."""
    use = one_use((value or b"").split())
    if not ISpecialUses.providedBy(context.account):
        raise Forbidden("Special uses are given when a mailbox is made", imap_code=b"USEATTR")
    account: ISpecialUses = context.account
    listing: MailboxList = await settled(context.account.mailboxes())
    uses: dict[str, str | None] = {each.id: None for each in listing.mailboxes if use is not None and each.special_use == use}
    await settled(account.set_special_uses({**uses, info.id: use}))
    return use.encode() if use else None


EXTENSION = Extension(
    capability=b"SPECIAL-USE CREATE-SPECIAL-USE", rfc="6154", announced=State.LOGGED_IN,
    list_returns=(ListReturn(b"SPECIAL-USE"),),
    metadata_entries=(MetadataEntry(b"/private/specialuse", value=_value, put=_put),),
)
