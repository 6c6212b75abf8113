"""Mailbox storage: a log of changes. A store speaks UIDs, octets and changes, never IMAP."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zope.interface import Attribute, Interface

from mailframe.model.flags import FlagChange
from mailframe.model.mailbox import (
    FRESH_ACCOUNT,
    Attributes,
    Changes,
    Field,
    FlagsStored,
    FuzzyMatches,
    MailboxInfo,
    MailboxList,
    MailboxStatus,
    New,
    NewMailbox,
    Quota,
    Rows,
    TextMatches,
    UidRanges,
)
from mailframe.model.query import InBody, InHeader, InText
from mailframe.model.refusal import Refusal


class IMailStore(Interface):
    """All accounts' mail. Every method may be ``async def``, return a Deferred, or return the plain value.

    Errors are `mailframe.model.refusal.Refusal`; anything else raised costs the one request a temporary failure (I7).
    Whatever changes something returns only when the change would survive a power cut (I1).
    """

    async def start() -> None:
        """Open files, threads, connections. Called once, after the process has forked and dropped its privileges.

        Raise an exception whose text is a clear sentence to stop the server's start."""

    async def open_account(name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        """The account `name` (already authenticated or resolved). One never seen before is made, with the mailboxes `fresh`.

        Cheap enough to be called for each session and delivery; the same name may be open many times at once.
        """

    async def close() -> None:
        """Finish what was begun and let go of everything. Nothing is called afterwards."""


class IAccount(Interface):
    """One account's mailboxes. Names are Unicode, levels parted by "/"; "INBOX" always exists.

    The framework checks names, makes and renames children and parents, and shows missing parents as \\NonExistent;
    a store takes any name that is not empty.
    """

    async def mailboxes() -> MailboxList:
        """The whole list in one call, in any order."""

    async def create(mailbox: NewMailbox) -> MailboxInfo:
        """Raises MailboxExists. The id must never have been used in this account before, and UIDVALIDITY must be new
        for this name (RFC 3501 section 2.3.1.1)."""

    async def delete(mailbox_id: str) -> None:
        """The mailbox and its messages; sub-mailboxes stay. Raises NoSuchMailbox."""

    async def rename(moves: Sequence[tuple[str, str]]) -> None:
        """(mailbox id, new name) all or none; ids, UIDs and UIDVALIDITY stay. Raises NoSuchMailbox, MailboxExists."""

    async def set_subscribed(name: str, subscribed: bool) -> None:
        """Of a name, whether such a mailbox exists or not."""

    async def open_mailbox(mailbox_id: str) -> IMailbox:
        """Raises NoSuchMailbox. Opening is reading: it changes nothing, and needs no closing."""

    def subscribe(listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(mailbox_id)`, "" for the list itself, in the reactor's thread some time after any change by anybody.

        Only a hint to ask again: it may come late, twice, or for nothing. Returns what ends it.
        `mailframe.model.mailbox.Listeners` does this for a store that lives in one process.
        """


class IMailbox(Interface):
    """One mailbox. Messages are known by UID: 1 to 4,294,967,295, strictly growing, never used again."""

    id = Attribute("`MailboxInfo.id`.")

    async def status() -> MailboxStatus:
        """Counts, and the cursor for `changes` taken at the same instant. Raises NoSuchMailbox when it was deleted meanwhile."""

    async def keywords(add: Sequence[str]) -> tuple[str, ...]:
        """This mailbox's keyword table after making those in `add` that it lacks (compared without case).

        Keyword number i is bit 8+i of every flags mask here; the table only grows. Raises LimitReached beyond 56.
        """

    async def rows(ranges: UidRanges, limit: int, fields: Field) -> Rows:
        """The first `limit` messages, in ascending order, whose UIDs lie in `ranges` (inclusive, ascending, disjoint).

        To go on, the caller cuts `ranges` after the last UID it got. UIDs that do not exist are passed over. Columns
        in `fields` that the store does not keep (ENVELOPE, STRUCTURE, INDEX) hold b"" for each message.
        """

    async def read(uid: int, offset: int, size: int) -> bytes:
        """Octets of head and content, as one; shorter at the end. CRLF line ends. Raises NoSuchMessage.

        A store whose messages may be larger than a few hundred KiB keeps one readable for some minutes after its
        expunge, so that a reader in the middle of it can finish.
        """

    async def append(messages: Sequence[New]) -> array[int]:
        """Add all or none; returns their UIDs, ascending. Raises OverQuota, NoSuchMailbox..."""

    async def set_flags(uids: Sequence[int], change: FlagChange, unchanged_since: int | None) -> FlagsStored:
        """Change flags of those of `uids` (ascending) that exist, in one durable step.

        With `unchanged_since`, those with a greater mod-sequence are left alone and named as refused.
        """

    async def expunge(uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
        """Remove the messages `uids` (None: all), of these only the ones flagged \\Deleted if `only_deleted`;
        returns the UIDs that are gone now because of this call."""

    async def changes(cursor: object) -> Changes | None:
        """All since `cursor` (from `status` or the last `changes`); None: cannot say, the caller compares UIDs and flags itself.

        A message that came and went in between may be missing from both lists."""


class IIndexedStore(IMailStore):
    """Marks a store whose mailboxes all provide `IModSequenced`: the framework keeps nothing beside it."""


class IJoinedStore(IMailStore):
    """A store that rests on a transaction engine: its deliveries can be committed together with others on the same engine."""

    engine = Attribute("the `mailframe.sqlite.engine.Engine`, the same one that the queue may use")
    content = Attribute("the IReadableContent on that engine, whose ids `New.content` takes; the queue may use the same")

    def append_unit(
        targets: Sequence[tuple[str, str, New]], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> tuple[Callable[[Any], list[Refusal | None]], Callable[[], None]]:
        """Deliver to (account, folder, message) targets as part of a larger unit.

        Returns what a job of the engine does with the connection, one outcome for each target; and what to call in the
        reactor's thread after its commit. An account never seen before is made with `fresh`, a missing folder is INBOX,
        and octets that are the same object for several targets are kept once.
        """


class IDelivers(IMailStore):
    """A store that takes one message for many accounts in one call (else the framework opens and appends for each)."""

    async def deliver(
        targets: Sequence[tuple[str, str, New]], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> Sequence[Refusal | None]:
        """Deliver to (account, folder, message) targets; one outcome for each, and one's failure is no other's.

        An account never seen before is made with `fresh`, a missing folder is INBOX. What was accepted is durable on return.
        """


class IAccountFinder(IMailStore):
    """A store that knows which accounts there are without making one."""

    async def has_account(name: str) -> bool:
        """Whether `open_account` would make none."""


class IMailboxFinder(Interface):
    """An account that finds one mailbox by its name without listing all: some people have thousands."""

    async def find_mailbox(name: str) -> MailboxInfo | None:
        """The mailbox of exactly that name, None if there is none."""


class ISpecialUses(Interface):
    """An account whose mailboxes can be given another special use after they were made (RFC 6154 section 4)."""

    async def set_special_uses(uses: Mapping[str, str | None]) -> None:
        """By mailbox id, None for no special use; the framework has checked them. All or none, durable. Raises NoSuchMailbox."""


class ICopyable(Interface):
    """A mailbox that copies within its account without reading the messages (else the framework reads and appends)."""

    async def copy(uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        """(uids that existed, their new UIDs), pairwise, ascending; flags and dates go along. All or none. Raises NoSuchMailbox."""


class IMovable(Interface):
    """A mailbox that moves within its account in one durable step (RFC 6851)."""

    async def move(uids: Sequence[int], target_id: str) -> tuple[array[int], array[int]]:
        """As `ICopyable.copy`, and the originals are gone."""


class IReplaces(Interface):
    """A mailbox that puts a new message in an old one's place in one durable step (RFC 8508), as drafts are saved.

    Else the framework appends, then expunges: what comes between leaves both, and a full account lets nothing be replaced.
    """

    async def replace(uid: int, target_id: str, message: New) -> int:
        """Append `message` to the mailbox `target_id` of the same account, perhaps this one, and expunge `uid` here: both
        or neither; returns the new UID. Keywords in `message.flags` are by the target's table.

        The account's limits are those of `IQuota`, judged by what it holds afterwards: what fits into the place that the
        old message leaves is let in. Raises NoSuchMessage when `uid` is not there, perhaps because another session has
        replaced it; NoSuchMailbox, OverQuota..., as `IMailbox.append`.
        """


class IModSequenced(Interface):
    """Marks a mailbox whose mod-sequences are real and durable (RFC 7162)."""


class IObjectIds(Interface):
    """Marks a mailbox whose EMAILID and THREADID columns are real and never change (RFC 8474)."""


class ISaveDates(Interface):
    """Marks a mailbox whose SAVED column is real: when each message came into this mailbox (RFC 8514)."""


class IQuota(Interface):
    """An account that counts what it holds and refuses what is too much (RFC 9208): `append`, `copy` and deliveries that
    would exceed a limit raise OverQuota and change nothing. A move within the account never does."""

    async def quota() -> Quota:
        """Use and limits now."""

    async def set_quota(max_octets: int | None, max_messages: int | None) -> None:
        """New limits for this account, None for none; durable. Lower ones than the present use take nothing away."""


class ISearchable(Interface):
    """A mailbox that knows its messages' decoded texts, and so finds words without their being read from the content."""

    async def search(leaf: InHeader | InBody | InText, ranges: UidRanges) -> TextMatches:
        """Which messages whose UIDs lie in `ranges` contain `leaf.text`, by the rules of `mailframe.mime.text`.

        What is neither `found` nor `open` certainly does not match. An answer never differs from what reading each
        message would give; whatever the store is not sure of is `open`.
        """


class IFuzzySearch(ISearchable):
    """A mailbox with an index that finds words wherever they stand in a text (RFC 6203)."""

    async def fuzzy(leaf: InHeader | InBody | InText, ranges: UidRanges) -> FuzzyMatches:
        """Which messages whose UIDs lie in `ranges` have all the words of `leaf.text`, and how well they match, from 1 to 100.

        What is neither `found` nor `open` does not match. Answers may differ from those of `mailframe.mime.fuzzy`, by which
        the framework judges what is `open`, and may change; every word of the text must be found all the same.
        """


class IAttributeCache(Interface):
    """A mailbox that keeps what a pass over a message's octets yields."""

    async def remember(uids: Sequence[int], attributes: Sequence[Attributes]) -> None:
        """Keep these beside the messages that still exist. Need not be durable on return."""


class IRecent(Interface):
    """A mailbox that knows which messages no session has been told of yet (RFC 3501 section 2.3.2)."""

    async def claim_recent() -> int:
        """The lowest UID that is recent for the caller, who alone is told so; 2**32 when there is none."""

    async def recent_from() -> int:
        """What `claim_recent` would answer; nothing is claimed."""
