"""Mailboxes and messages as a store tells of them: always columns, never an object per message."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

SEPARATOR = "/"                     # of the hierarchy, in every mailbox name at the seam
INBOX = "INBOX"                     # always exists, always in this spelling at the seam


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """A mailbox to be made. `name` is Unicode, levels parted by SEPARATOR."""

    name: str
    special_use: str | None = None  # "\\Sent", "\\Drafts"... (RFC 6154 section 2)
    subscribed: bool = False


#: What a new account is given (special-use folders as mail programs expect them).
FRESH_ACCOUNT: tuple[NewMailbox, ...] = (
    NewMailbox(INBOX, None, True), NewMailbox("Drafts", "\\Drafts", True), NewMailbox("Sent", "\\Sent", True),
    NewMailbox("Junk", "\\Junk", True), NewMailbox("Trash", "\\Trash", True), NewMailbox("Archive", "\\Archive", True),
)


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    """One existing mailbox of an account's list. `id` survives RENAME and is never used again.

    Another account's, which it shares: `owner` is that account, `rights` what may be done (`mailframe.model.rights`)."""

    id: str
    name: str
    special_use: str | None = None
    rights: str | None = None       # None: the account's own mailbox, and everything
    owner: str | None = None        # None: the account itself


@dataclass(frozen=True, slots=True)
class MailboxList:
    """An account's mailboxes, with the subscribed names (of which some may not exist, RFC 3501 section 6.3.6)."""

    mailboxes: tuple[MailboxInfo, ...]
    subscribed: frozenset[str]


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """A mailbox's counts at one instant, and the cursor of that instant for `IMailbox.changes`."""

    uidvalidity: int
    uidnext: int
    messages: int
    unseen: int
    deleted: int = 0
    size: int = 0                   # octets of all messages
    highest_modseq: int = 0         # 0: the store keeps none
    cursor: object = None           # opaque; whatever the store wants back


class Field(enum.Flag):
    """What to read of each message besides its UID."""

    NONE = 0
    FLAGS = enum.auto()
    MODSEQ = enum.auto()
    SIZE = enum.auto()              # octets of head and content together
    DATE = enum.auto()              # INTERNALDATE, seconds since the epoch
    SAVED = enum.auto()             # SAVEDATE (RFC 8514), seconds since the epoch
    ENVELOPE = enum.auto()          # finished IMAP bytes, b"" where there are none yet
    STRUCTURE = enum.auto()         # finished BODYSTRUCTURE bytes, b"" where there are none yet
    INDEX = enum.auto()             # packed MIME index (`mailframe.mime.index`), b"" where there is none yet
    PREVIEW = enum.auto()           # its first words as a finished IMAP string (RFC 8970), b"" where there is none yet
    EMAILID = enum.auto()
    THREADID = enum.auto()


@dataclass(slots=True)
class Rows:
    """Messages as columns in ascending order of UID; a column that was not asked for is empty."""

    uids: array[int] = field(default_factory=partial(array, "I"))
    flags: array[int] = field(default_factory=partial(array, "Q"))
    modseqs: array[int] = field(default_factory=partial(array, "Q"))
    sizes: array[int] = field(default_factory=partial(array, "Q"))
    dates: array[int] = field(default_factory=partial(array, "q"))
    saved: array[int] = field(default_factory=partial(array, "q"))
    envelopes: list[bytes] = field(default_factory=list)
    structures: list[bytes] = field(default_factory=list)
    indexes: list[bytes] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)
    email_ids: list[str] = field(default_factory=list)
    thread_ids: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, uids: Iterable[int], fields: Field, known: Mapping[Field, Iterable[Any]]) -> Rows:
        """The columns `fields` for `uids`: from `known`, of which only what is asked for is iterated, else of empty values."""
        rows = cls(array("I", uids))
        for one, (name, empty) in _COLUMNS.items():
            if one in fields:
                values = known[one] if one in known else [empty] * len(rows)
                column = getattr(rows, name)
                setattr(rows, name, array(column.typecode, values) if isinstance(column, array) else list(values))
        return rows

    def __len__(self) -> int:
        return len(self.uids)


_COLUMNS: dict[Field, tuple[str, int | bytes | str]] = {
    Field.FLAGS: ("flags", 0), Field.MODSEQ: ("modseqs", 0), Field.SIZE: ("sizes", 0), Field.DATE: ("dates", 0),
    Field.SAVED: ("saved", 0), Field.ENVELOPE: ("envelopes", b""), Field.STRUCTURE: ("structures", b""),
    Field.INDEX: ("indexes", b""), Field.PREVIEW: ("previews", b""),
    Field.EMAILID: ("email_ids", ""), Field.THREADID: ("thread_ids", ""),
}


@dataclass(frozen=True, slots=True)
class Links:
    """A message's place in its conversation: hashes (signed 64 bits) of message ids, 0 for none."""

    own: int = 0
    parent: int = 0                 # what it answers
    root: int = 0                   # what the conversation began with, as far as it says; with `parent` or not at all


@dataclass(frozen=True, slots=True)
class Attributes:
    """What one pass over a message's octets (head and content) yields, ready to be kept beside it."""

    version: int                    # of the renderer; another version's are not used
    envelope: bytes
    structure: bytes
    index: bytes
    links: Links = Links()
    preview: bytes = b""


class SharedOctets(bytes):
    """A message's octets that several parts of one job keep: the first of them notes in `kept` where, for the others."""

    kept: tuple[object, int] | None = None      # (by which ledger, as which content)


@dataclass(frozen=True, slots=True)
class New:
    """A message to be appended: `head` then `content` is what readers see.

    `content` is the octets, or the id of content that was staged and sealed through the store's own `IContent`.
    """

    content: bytes | str
    head: bytes = b""
    flags: int = 0                  # mask, keywords by the target mailbox's table
    date: int = 0                   # INTERNALDATE, seconds since the epoch
    size: int = 0                   # octets of head and content together
    attributes: Attributes | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since a cursor: `rows` (uids, flags, modseqs) of new and changed messages, and UIDs that are gone."""

    cursor: object
    rows: Rows
    vanished: array[int]


@dataclass(frozen=True, slots=True)
class FlagsStored:
    """Outcome of `IMailbox.set_flags`: `rows` holds uids, flags, modseqs of what was there and let through;
    `refused` the UIDs that had changed after `unchanged_since` (RFC 7162 section 3.1.3)."""

    rows: Rows
    refused: array[int] = field(default_factory=partial(array, "I"))


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account holds and may hold (RFC 9208 section 5): octets and messages of all its mailboxes; None: no limit."""

    octets: int
    messages: int
    max_octets: int | None = None
    max_messages: int | None = None


@dataclass(frozen=True, slots=True)
class TextMatches:
    """Outcome of `ISearchable.search`, ascending UIDs: those that match, and those that have to be read to know."""

    found: array[int]
    open: array[int]


@dataclass(frozen=True, slots=True)
class FuzzyMatches:
    """Outcome of `IFuzzySearch.fuzzy`, ascending UIDs: those that match, with their relevancies, and those that have to be read."""

    found: array[int]
    relevancies: array[int]
    open: array[int]


class Listeners:
    """Who wants a hint that a mailbox changed: a small part that stores use to offer `IAccount.subscribe`."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[str], None]] = []

    def add(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(mailbox_id)` from now on ("" for the list of mailboxes); returns what ends that."""
        self._listeners.append(listener)

        def remove() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return remove

    def tell(self, mailbox_id: str) -> None:
        for listener in tuple(self._listeners):
            listener(mailbox_id)

    def __iter__(self) -> Iterator[Callable[[str], None]]:
        return iter(tuple(self._listeners))

    def __len__(self) -> int:
        return len(self._listeners)


#: Inclusive UID ranges, ascending and disjoint; what a client's set means once the view has turned it into UIDs.
UidRanges = Sequence[tuple[int, int]]
MAX_UID = 0xFFFFFFFF


def uid_ranges(uids: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending UIDs as inclusive ranges."""
    ranges: list[tuple[int, int]] = []
    first = last = -1
    for uid in uids:
        if uid == last + 1 and first >= 0:
            last = uid
            continue
        if first >= 0:
            ranges.append((first, last))
        first = last = uid
    if first >= 0:
        ranges.append((first, last))
    return ranges
