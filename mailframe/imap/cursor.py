"""A typed reader over one whole IMAP command: its octets with the literals inside, as they came (RFC 3501 section 9)."""

from __future__ import annotations

import datetime
import re
from calendar import timegm
from collections.abc import Callable
from typing import TypeVar

from . import mutf7, numset
from .names import canonical
from .numset import MessageSet, NumSet

T = TypeVar("T")

MAX_DEPTH = 32              # parentheses within parentheses: SEARCH keys of real clients stay below 10
MAX_LIST = 20_000           # items of one list: HEADER.FIELDS of real clients stay below 100
MAX_KEYWORD_OCTETS = 255    # of one flag

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_LIST_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_ASTRING_ATOM8 = re.compile(rb'[^\x00-\x20\x7f(){%*"\\]+')
_LIST_ATOM8 = re.compile(rb'[^\x00-\x20\x7f(){"\\]+')
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
_FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL = re.compile(rb"(?:~)?\{([0-9]{1,19})\+?\}\r\n")
_NUMBER = re.compile(rb"[0-9]{1,20}")
_SET = re.compile(rb"[0-9:*,]+|\$")
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_DATE_TIME = re.compile(rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"')
_MONTHS = {name: number for number, name in enumerate(
    (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1)}


class BadSyntax(Exception):
    """The command is not what its grammar wants: answered with BAD and these words (plain ASCII, nothing of the input)."""

    code: bytes = b""           # the answer's response code, without brackets


class Cursor:
    """Reads from left to right; each method takes what it names or raises BadSyntax. It never copies the rest.

    `by_uid`: whether message sets are UIDs (a ``UID ...`` command). `utf8`: whether names and strings may be UTF-8
    (after ENABLE UTF8=ACCEPT, RFC 6855).
    """

    __slots__ = ("_depth", "by_uid", "data", "position", "utf8")

    def __init__(self, data: bytes, position: int = 0, *, by_uid: bool = False, utf8: bool = False) -> None:
        self.data = data
        self.position = position
        self.by_uid = by_uid
        self.utf8 = utf8
        self._depth = 0

    # -- single octets and shapes

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.data)

    def peek(self, count: int = 1) -> bytes:
        """The next octets without taking them; b"" at the end."""
        return self.data[self.position:self.position + count]

    def take(self, octets: bytes) -> bool:
        """Take `octets` if they come next; say whether."""
        if self.data.startswith(octets, self.position):
            self.position += len(octets)
            return True
        return False

    def expect(self, octets: bytes) -> None:
        if not self.take(octets):
            raise BadSyntax(f"'{octets.decode('ascii')}' expected")

    def space(self) -> None:
        if not self.data.startswith(b" ", self.position):
            raise BadSyntax("Missing argument" if self.at_end else "Space expected")
        self.position += 1

    def end(self) -> None:
        if self.position < len(self.data):
            raise BadSyntax("Too many arguments")

    def match(self, pattern: re.Pattern[bytes], expected: str) -> re.Match[bytes]:
        """Take what `pattern` matches here, or raise BadSyntax(expected + " expected")."""
        found = pattern.match(self.data, self.position)
        if found is None:
            raise BadSyntax(f"{expected} expected")
        self.position = found.end()
        return found

    # -- strings

    def tag(self) -> bytes:
        return self.match(_TAG, "Tag").group()

    def atom(self) -> bytes:
        return self.match(_ATOM, "Atom").group()

    def keyword(self) -> bytes:
        """An atom in upper case: names of commands, items, keys and options."""
        return self.match(_ATOM, "Word").group().upper()

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if self.data[self.position:self.position + 1] == b'"':
            return self.quoted()
        return self.literal()

    def quoted(self) -> bytes:
        found = self.match(_QUOTED, "Quoted string")[1]
        if b"\\" in found:
            found = found.replace(b"\\\\", b"\0").replace(b"\\", b"").replace(b"\0", b"\\")
        return self._text(found)

    def _text(self, octets: bytes) -> bytes:
        """8-bit octets as they are: RFC 3501 forbids them, and clients send them in passwords and SEARCH. Who has enabled
        UTF-8 sends nothing else (RFC 9755 section 3)."""
        if self.utf8 and not octets.isascii():
            try:
                octets.decode("utf-8")
            except UnicodeDecodeError:
                raise BadSyntax("Not UTF-8") from None
        return octets

    def literal(self) -> bytes:
        """``{n}`` or ``{n+}`` or ``~{n}``, and its octets. A NUL is allowed in the last form only (RFC 3516)."""
        binary = self.peek() == b"~"
        size = int(self.match(_LITERAL, "String")[1])
        start = self.position
        octets = self.data[start:start + size]
        if len(octets) != size:
            raise BadSyntax("Literal expected")
        if not binary and b"\0" in octets:
            raise BadSyntax("NUL in a string")
        self.position = start + size
        return octets

    def astring(self) -> bytes:
        pattern = _ASTRING_ATOM8 if self.utf8 else _ASTRING_ATOM
        found = pattern.match(self.data, self.position)
        if found is None:
            return self.string()
        self.position = found.end()
        return self._text(found.group())

    def nstring(self) -> bytes | None:
        if self.data[self.position:self.position + 3].upper() == b"NIL":
            self.position += 3
            return None
        return self.string()

    # -- numbers, sets, dates

    def number(self, greatest: int = 0xFFFFFFFF) -> int:
        value = int(self.match(_NUMBER, "Number").group())
        if value > greatest:
            raise BadSyntax("Number too big")
        return value

    def nz_number(self, greatest: int = 0xFFFFFFFF) -> int:
        value = self.number(greatest)
        if not value:
            raise BadSyntax("Number above zero expected")
        return value

    def number64(self) -> int:
        return self.number(0x7FFFFFFFFFFFFFFF)

    def sequence_set(self) -> NumSet:
        text = self.match(_SET, "Message set").group()
        try:
            return numset.parse(text)
        except ValueError as error:
            raise BadSyntax(f"Bad message set: {error}") from None

    def message_set(self) -> MessageSet:
        """A set of UIDs in a UID command, of sequence numbers otherwise."""
        return MessageSet(self.sequence_set(), self.by_uid)

    def date(self) -> datetime.date:
        """``1-Feb-1994``, also quoted (RFC 3501 section 9, date)."""
        found = self.match(_DATE, "Date")
        try:
            return datetime.date(int(found[4]), _month(found[3]), int(found[2]))
        except ValueError:
            raise BadSyntax("No such date") from None

    def date_time(self) -> int:
        """``"17-Jul-1996 02:44:25 -0700"`` as seconds since the epoch (RFC 3501 section 9, date-time)."""
        found = self.match(_DATE_TIME, "Date and time")
        day, year, hour, minute, second = int(found[1]), int(found[3]), int(found[4]), int(found[5]), int(found[6])
        zone = int(found[8]) * 3600 + int(found[9]) * 60
        try:
            datetime.datetime(year, _month(found[2]), day, hour, minute, min(second, 59))
        except ValueError:
            raise BadSyntax("No such date") from None
        seconds = timegm((year, _month(found[2]), day, hour, minute, second))
        return seconds + zone if found[7] == b"-" else seconds - zone

    # -- lists

    def enter(self) -> None:
        """One level of nesting deeper; whoever recurses calls this first (a bracket bomb ends here)."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadSyntax("Nested too deeply")

    def leave(self) -> None:
        self._depth -= 1

    def nested(self, octets: bytes) -> Cursor:
        """Over other octets that stand in this place, as deep as this one is."""
        inner = Cursor(octets, by_uid=self.by_uid, utf8=True)
        inner._depth = self._depth
        return inner

    def list_of(self, item: Callable[[], T], *, empty: bool = False) -> list[T]:
        """``"(" item *(SP item) ")"``, also ``"()"`` if `empty`."""
        self.expect(b"(")
        self.enter()
        items: list[T] = []
        if not (empty and self.take(b")")):
            items.append(item())
            while not self.take(b")"):
                self.space()
                items.append(item())
                if len(items) > MAX_LIST:
                    raise BadSyntax("List too long")
        self.leave()
        return items

    # -- names and flags

    def mailbox(self) -> str:
        """A mailbox name as Unicode; any spelling of INBOX becomes "INBOX"."""
        return self._name(self.astring())

    def list_mailbox(self) -> str:
        """A LIST pattern: as `mailbox`, where % and * need no quotes."""
        pattern = _LIST_ATOM8 if self.utf8 else _LIST_ATOM
        found = pattern.match(self.data, self.position)
        if found is None:
            return self._name(self.string())
        self.position = found.end()
        return self._name(found.group())

    def _name(self, octets: bytes) -> str:
        try:
            name = octets.decode("utf-8") if self.utf8 else mutf7.decode(octets)
        except ValueError:
            raise BadSyntax("Mailbox name is not valid " + ("UTF-8" if self.utf8 else "modified UTF-7")) from None
        return canonical(name)

    def flag(self) -> bytes:
        """A system flag (``\\Seen``) or a keyword, as written."""
        found = self.match(_FLAG, "Flag").group()
        if len(found) > MAX_KEYWORD_OCTETS:
            raise BadSyntax("Flag too long")
        return found

    def flag_list(self) -> list[bytes]:
        return self.list_of(self.flag, empty=True)


def _month(name: bytes) -> int:
    number = _MONTHS.get(name.lower())
    if number is None:
        raise ValueError(name)
    return number
