"""One message set against one SEARCH tree in three-valued logic: yes, no, or not to be known from what was read so far."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from operator import and_

from mailframe.mime.casemap import fold
from mailframe.mime.fuzzy import Meant
from mailframe.mime.header import fields, parse_date
from mailframe.mime.searchtext import field_holds, without_headers
from mailframe.mime.text import field_text, header_text
from mailframe.model.flags import flag_mask
from mailframe.model.mailbox import Field, Rows, TextMatches
from mailframe.model.query import (
    And,
    Everything,
    Fuzzy,
    HasFlags,
    HasId,
    HasKeyword,
    InBody,
    InHeader,
    InText,
    Not,
    Or,
    Query,
    Received,
    Saved,
    Sent,
    Size,
    Uids,
    leaves,
)

from .sentdays import UNKNOWN


def needed(query: Query) -> Field:
    """The columns that the tree's leaves look at."""
    fields = Field.NONE
    for leaf in leaves(query):
        match leaf:
            case HasFlags() | HasKeyword():
                fields |= Field.FLAGS
            case Size():
                fields |= Field.SIZE
            case Received():
                fields |= Field.DATE
            case Saved():
                fields |= Field.SAVED
            case HasId(_, thread):
                fields |= Field.THREADID if thread else Field.EMAILID
            case InBody() | InText() | Fuzzy(InBody() | InText()):
                fields |= Field.INDEX
            case _:
                pass
    return fields


def truth(query: Query, leaf: Callable[[Query], bool | None]) -> bool | None:
    """The tree's value where `leaf` gives each leaf's; None where that is open."""
    match query:
        case Not(part):
            value = truth(part, leaf)
            return None if value is None else not value
        case And(parts):
            return _every(parts, leaf, True)
        case Or(parts):
            return _every(parts, leaf, False)
        case _:
            return leaf(query)


def _every(parts: Sequence[Query], leaf: Callable[[Query], bool | None], wanted: bool) -> bool | None:
    open_ones = False
    for part in parts:
        value = truth(part, leaf)
        if value is None:
            open_ones = True
        elif value is not wanted:
            return value
    return None if open_ones else wanted


class Columns:
    """A page of messages judged by its columns alone, a whole column at a time.

    A set of messages is a number with one byte (0 or 1) for each, so that AND, OR and NOT are one operation
    in C for the page. Every node has a pair: who certainly matches, who possibly does.
    """

    def __init__(self, rows: Rows, keywords: Sequence[str]) -> None:
        self._rows, self._keywords = rows, keywords
        self._ones = _number(b"\1" * len(rows))
        self._known: dict[int, tuple[int, int]] = {}        # leaves by their identity: who certainly matches, who possibly does

    def learn(self, leaf: Query, matches: TextMatches) -> None:
        """What the store says of a leaf, for the next `judge`."""
        sure, doubtful = _number(_among(self._rows.uids, matches.found)), _number(_among(self._rows.uids, matches.open))
        self._known[id(leaf)] = sure, sure | doubtful

    def learn_days(self, asked: Sequence[Sent], places: bytes, days: Sequence[int]) -> None:
        """The days on which the messages at `places` (1 for each of them) were sent, where they are known."""
        each = iter(days)
        column = [next(each) if asked_for else UNKNOWN for asked_for in places]
        maybe = _number(bytes(map(UNKNOWN.__eq__, column)))
        for leaf in asked:
            sure = _number(bytes([leaf.first <= day < leaf.until for day in column]))
            self._known[id(leaf)] = sure, sure | maybe

    def judge(self, query: Query) -> tuple[bytes, bytes]:
        """(certain, open): one byte 0 or 1 for each message."""
        sure, maybe = self._pair(query)
        size = len(self._rows)
        return sure.to_bytes(size, "little"), (maybe ^ sure).to_bytes(size, "little")

    def known(self, leaf: Query, place: int) -> bool | None:
        """What `judge` found for one leaf and the page's message number `place`."""
        if id(leaf) not in self._known:
            return None
        sure, maybe = (number >> 8 * place & 1 for number in self._known[id(leaf)])
        return bool(sure) if sure == maybe else None

    def _pair(self, query: Query) -> tuple[int, int]:
        match query:
            case Not(part):
                sure, maybe = self._pair(part)
                return self._ones ^ maybe, self._ones ^ sure
            case And(parts):
                sure = maybe = self._ones
                for each in parts:
                    one, two = self._pair(each)
                    sure, maybe = sure & one, maybe & two
                return sure, maybe
            case Or(parts):
                sure = maybe = 0
                for each in parts:
                    one, two = self._pair(each)
                    sure, maybe = sure | one, maybe | two
                return sure, maybe
            case _:
                if id(query) not in self._known:
                    column = self._leaf(query)
                    if column is None:
                        return 0, self._ones
                    number = _number(column)
                    self._known[id(query)] = number, number
                return self._known[id(query)]

    def _leaf(self, leaf: Query) -> bytes | None:
        rows = self._rows
        match leaf:
            case Everything():
                return b"\1" * len(rows)
            case Uids(ranges):
                return _within(rows.uids, ranges)
            case HasFlags(mask):
                return _flagged(rows.flags, mask)
            case HasKeyword(name):
                return self._keyword(name)
            case Size(low, high):
                return bytes([low <= size <= high for size in rows.sizes])
            case Received(first, until):
                return bytes([first <= date < until for date in rows.dates])
            case Saved(first, until):
                return bytes([first <= date < until for date in rows.saved])
            case HasId(wanted, thread):
                return bytes([each == wanted for each in (rows.thread_ids if thread else rows.email_ids)])
            case _:
                return None

    def _keyword(self, name: str) -> bytes:
        try:
            mask = flag_mask((name.encode("ascii"),), self._keywords)
        except KeyError:
            return bytes(len(self._rows))
        return _flagged(self._rows.flags, mask)


def _flagged(flags: array[int], mask: int) -> bytes:
    """Which of them have all of `mask`: octet by octet of the column, at C speed."""
    octets, found = flags.tobytes(), b"\1" * len(flags)
    for place, wanted in enumerate(mask.to_bytes(8, sys.byteorder)):
        if wanted:
            has = octets[place::8].translate(_having(wanted))
            found = has if mask.bit_count() == wanted.bit_count() else bytes(map(and_, found, has))
    return found


@cache
def _having(wanted: int) -> bytes:
    """Of each octet whether it has all bits of `wanted`."""
    return bytes(octet & wanted == wanted for octet in range(256))


def _number(column: bytes) -> int:
    return int.from_bytes(column, "little")


def _among(uids: Sequence[int], chosen: Sequence[int]) -> bytes:
    if not chosen:
        return bytes(len(uids))
    these = frozenset(chosen)
    return bytes([uid in these for uid in uids])


def _within(uids: Sequence[int], ranges: Sequence[tuple[int, int]]) -> bytes:
    column = bytearray(len(uids))
    start = max(0, bisect_right(ranges, (uids[0], 1 << 33)) - 1) if len(uids) else 0
    for place in range(start, len(ranges)):
        first, last = ranges[place]
        if first > uids[-1]:
            break
        low, high = bisect_left(uids, first), bisect_right(uids, last)
        column[low:high] = b"\1" * (high - low)
    return bytes(column)


class Octets:
    """What was read of one message: its header, and its text parts when those were needed. Decodes what is asked for."""

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._fields = fields(block)    # (lower-case name, raw value)
        self._header: str | None = None
        self.body: str | None = None    # `body_text`; None: not read

    @property
    def day(self) -> int | None:
        """Of the Date field, in its own zone, as an ordinal."""
        for name, value in self._fields:
            if name == b"date":
                moment = parse_date(value)
                return None if moment is None else moment[1]
        return None

    @property
    def header(self) -> str:
        """All fields, decoded and folded, a line each."""
        if self._header is None:
            self._header = fold(header_text(self._block))
        return self._header

    def relevancy(self, leaf: Fuzzy) -> int | None:
        """How well this message is what is meant, 0 for not at all; None where the body was not read yet."""
        meant = Meant.of(leaf.part.text)
        match leaf.part:
            case InHeader(name, _):
                return meant.relevancy("\n".join(fold(field_text(name, value)) for field, value in self._fields if field == name))
            case InBody():
                return None if self.body is None else meant.relevancy(without_headers(self.body))
            case InText():
                return None if self.body is None else meant.relevancy(f"{self.header}\n{self.body}")

    def leaf(self, leaf: Query) -> bool | None:
        """The value of a leaf that asks for octets; None where the body was not read yet."""
        match leaf:
            case Sent(first, until):
                day = self.day
                return day is not None and first <= day < until
            case Fuzzy():
                relevancy = self.relevancy(leaf)
                return None if relevancy is None else relevancy > 0
            case InHeader(name, text):
                return field_holds(self._fields, name, text)
            case InBody(text):
                return None if self.body is None else text in without_headers(self.body)
            case InText(text):
                if text in self.header:
                    return True
                return None if self.body is None else text in self.body
            case _:
                raise AssertionError(f"not a leaf that asks for octets: {leaf}")
