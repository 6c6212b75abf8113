"""SEARCH's keys: from a command's octets to the tree of `mailframe.model.query` (RFC 3501 section 6.4.4)."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from mailframe.mime.casemap import fold
from mailframe.mime.charset import decode
from mailframe.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from mailframe.model.mailbox import UidRanges
from mailframe.model.query import (
    Everything,
    HasFlags,
    HasKeyword,
    InBody,
    InHeader,
    InText,
    Not,
    Numbers,
    Or,
    Query,
    Received,
    Sent,
    Size,
    all_of,
    midnight,
)

from ..cursor import BadSyntax, Cursor
from ..numset import MessageSet
from ..view import View

MAX_KEYS = 2_000        # of one command; each costs time for every message of the mailbox
_SET_STARTS = frozenset(b"0123456789*$")


@dataclass(frozen=True, slots=True)
class Recent:
    """The messages that are \\Recent in the asking session (`Numbers.given`)."""


@runtime_checkable
class Ranged(Protocol):
    """What else may be given: it knows by itself which messages of a view it means."""

    def ranges(self, view: View) -> UidRanges: ...


Key = Callable[["KeyReader"], Query]


@dataclass(frozen=True, slots=True)
class SearchKey:
    """A word of SEARCH. `read` takes what follows the word, beginning with the space before its first argument.

    `prepare` is awaited before keys are read, with the Context, all that is to be read and its charset: it may ask the
    store for what `read` will need, and `read` finds what it gave in `KeyReader.prepared`, by the word.
    """

    name: bytes
    read: Key
    prepare: Callable[[Any, Cursor, bytes], Awaitable[object]] | None = None


@dataclass(slots=True)
class KeyReader:
    """Where the keys come from, and which words there are."""

    cursor: Cursor
    keys: Mapping[bytes, SearchKey]
    clock: Callable[[], float] = lambda: 0.0    # seconds since the epoch
    count: int = 0              # of the keys so far
    charset: bytes = b"UTF-8"   # of the strings
    prepared: Mapping[bytes, object] = field(default_factory=dict)      # by `SearchKey.prepare`, by the key's name
    timely: bool = False        # some key looks at the clock: another day the same words mean another search

    def now(self) -> float:
        """Seconds since the epoch, for keys that ask for an age."""
        self.timely = True
        return self.clock()

    def text(self) -> str:
        """An astring, decoded and folded."""
        return fold(decode(self.cursor.astring(), self.charset))


def program(reader: KeyReader) -> Query:
    """``search-key *(SP search-key)``: all must hold."""
    parts = [key(reader)]
    while reader.cursor.take(b" "):
        parts.append(key(reader))
    return all_of(tuple(parts))


def key(reader: KeyReader) -> Query:
    """One key with its arguments."""
    cursor = reader.cursor
    reader.count += 1
    if reader.count > MAX_KEYS:
        raise BadSyntax("Too many search keys")
    first = cursor.peek()
    if first == b"(":
        cursor.expect(b"(")
        cursor.enter()
        found = program(reader)
        cursor.leave()
        cursor.expect(b")")
        return found
    if first and first[0] in _SET_STARTS:
        return Numbers(MessageSet(cursor.sequence_set(), False))
    word = reader.keys.get(cursor.keyword())
    if word is None:
        raise BadSyntax("Unknown search key")
    return word.read(reader)


def _flag(mask: int) -> Key:
    return lambda reader: HasFlags(mask)


def _no_flag(mask: int) -> Key:
    return lambda reader: Not(HasFlags(mask))


def _in_header(name: bytes) -> Key:
    def read(reader: KeyReader) -> Query:
        reader.cursor.space()
        return InHeader(name, reader.text())

    return read


def _header(reader: KeyReader) -> Query:
    reader.cursor.space()
    name = reader.cursor.astring().lower()
    reader.cursor.space()
    return InHeader(name, reader.text())


def _text(kind: type[InBody] | type[InText]) -> Key:
    def read(reader: KeyReader) -> Query:
        reader.cursor.space()
        return kind(reader.text())

    return read


def _keyword(reader: KeyReader) -> Query:
    reader.cursor.space()
    return HasKeyword(reader.cursor.atom().decode("ascii"))


def _unkeyword(reader: KeyReader) -> Query:
    return Not(_keyword(reader))


def day_of(reader: KeyReader) -> int:
    reader.cursor.space()
    day: datetime.date = reader.cursor.date()
    return day.toordinal()


def _sent_on(reader: KeyReader) -> Query:
    day = day_of(reader)
    return Sent(day, day + 1)


def _received_on(reader: KeyReader) -> Query:
    day = day_of(reader)
    return Received(midnight(day), midnight(day + 1))


def _larger(reader: KeyReader) -> Query:
    reader.cursor.space()
    return Size(at_least=reader.cursor.number64() + 1)


def _smaller(reader: KeyReader) -> Query:
    reader.cursor.space()
    return Size(at_most=reader.cursor.number64() - 1)


def _uid(reader: KeyReader) -> Query:
    reader.cursor.space()
    return Numbers(MessageSet(reader.cursor.sequence_set(), True))


def nested(reader: KeyReader) -> Query:
    """``SP search-key``, a level deeper."""
    reader.cursor.space()
    reader.cursor.enter()
    found = key(reader)
    reader.cursor.leave()
    return found


def _not(reader: KeyReader) -> Query:
    return Not(nested(reader))


def _or(reader: KeyReader) -> Query:
    """``"OR" SP search-key SP search-key``; nested ORs become one node, since programs chain them for many addresses."""
    cursor = reader.cursor
    parts: list[Query] = []
    wanted = 2
    while wanted:
        cursor.space()
        if cursor.peek(3).upper() == b"OR ":
            cursor.position += 2
            reader.count += 1
            wanted += 1
            if wanted > MAX_KEYS:
                raise BadSyntax("Too many search keys")
        else:
            parts.append(key(reader))
            wanted -= 1
    return Or(tuple(parts))


_KEYS: dict[bytes, Key] = {
    b"ALL": lambda reader: Everything(),
    b"ANSWERED": _flag(ANSWERED), b"UNANSWERED": _no_flag(ANSWERED),
    b"DELETED": _flag(DELETED), b"UNDELETED": _no_flag(DELETED),
    b"DRAFT": _flag(DRAFT), b"UNDRAFT": _no_flag(DRAFT),
    b"FLAGGED": _flag(FLAGGED), b"UNFLAGGED": _no_flag(FLAGGED),
    b"SEEN": _flag(SEEN), b"UNSEEN": _no_flag(SEEN),
    b"KEYWORD": _keyword, b"UNKEYWORD": _unkeyword,
    b"RECENT": lambda reader: Numbers(Recent()),
    b"OLD": lambda reader: Not(Numbers(Recent())),
    b"NEW": lambda reader: all_of((Numbers(Recent()), Not(HasFlags(SEEN)))),
    b"BCC": _in_header(b"bcc"), b"CC": _in_header(b"cc"), b"FROM": _in_header(b"from"),
    b"SUBJECT": _in_header(b"subject"), b"TO": _in_header(b"to"), b"HEADER": _header,
    b"BODY": _text(InBody), b"TEXT": _text(InText),
    b"ON": _received_on,
    b"SINCE": lambda reader: Received(first=midnight(day_of(reader))),
    b"BEFORE": lambda reader: Received(until=midnight(day_of(reader))),
    b"SENTON": _sent_on,
    b"SENTSINCE": lambda reader: Sent(first=day_of(reader)),
    b"SENTBEFORE": lambda reader: Sent(until=day_of(reader)),
    b"LARGER": _larger, b"SMALLER": _smaller,
    b"UID": _uid, b"NOT": _not, b"OR": _or,
}

#: The keys of RFC 3501; an extension brings more (`Extension.search_keys`).
SEARCH_KEYS: tuple[SearchKey, ...] = tuple(SearchKey(name, read) for name, read in _KEYS.items())
