"""What an IMAP server says, cut into answers with their values (RFC 3501 section 9), large literals apart. Pure.

A value is bytes (an atom, a string), None (NIL), a list, or `Large` for a literal that was too long to be kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEPT_OCTETS = 1_048_576     # a literal up to here is kept as a value; longer ones go to who waits for them, in pieces
MAX_LINE_OCTETS = 16_777_216    # SEARCH of a million messages in one line
MAX_DEPTH = 64

_LITERAL = re.compile(rb"\{(\d{1,10})\}$")
_TOKEN = re.compile(rb' *(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|([^ ()"\[]*(?:\[[^\]]*\][^ ()"]*)?))')
_ESCAPE = re.compile(rb"\\(.)")


class BadAnswer(Exception):
    """The server says what is not IMAP."""


@dataclass(frozen=True, slots=True)
class Large:
    """A literal of `size` octets that was given away in pieces, or was not wanted."""

    size: int


@dataclass(slots=True)
class Answer:
    """One line with its literals: `tag` is b"*" for untagged ones, b"+" where the server waits for more."""

    tag: bytes
    word: bytes = b""               # in capitals: OK, NO, LIST, FETCH...
    number: int = 0                 # of "* 3 FETCH"
    text: bytes = b""               # what follows, where it is not values: OK [UIDVALIDITY 3] ...
    values: list[Any] = field(default_factory=list)

    def code(self, name: bytes) -> bytes | None:
        """The argument of a response code: ``[UIDVALIDITY 3]`` gives b"3" for b"UIDVALIDITY"."""
        found = re.match(rb"\[" + name + rb"(?: ([^\]]*))?\]", self.text, re.IGNORECASE)
        return None if found is None else found[1] or b""


class Answers:
    """Takes octets, cut anywhere; `answer` is called with each Answer, `piece` with those of a large literal (b"" at its end)."""

    def __init__(self, answer: Callable[[Answer], None], piece: Callable[[bytes], None]) -> None:
        self._answer = answer
        self._piece = piece
        self._buffer = bytearray()
        self._parts: list[bytes | Large | tuple[bytes]] = []     # of the answer so far: text, literals as (octets,)
        self._literal = 0           # octets of the one under way that are still to come
        self._large = False
        self._searched = 0

    @property
    def empty(self) -> bool:
        """Whether all that came was whole answers."""
        return not self._buffer and not self._parts

    def feed(self, octets: bytes) -> None:
        """Raises BadAnswer."""
        self._buffer += octets
        while self._step():
            pass

    def _step(self) -> bool:
        if self._large:
            return self._large_step()
        if self._literal:
            if len(self._buffer) < self._literal:
                return False
            self._parts.append((bytes(self._buffer[:self._literal]),))
            del self._buffer[:self._literal]
            self._literal = 0
        end = self._buffer.find(b"\r\n", self._searched)
        if end < 0:
            self._searched = max(len(self._buffer) - 1, 0)
            if len(self._buffer) > MAX_LINE_OCTETS:
                raise BadAnswer("a line without end")
            return False
        self._searched = 0
        line = bytes(self._buffer[:end])
        del self._buffer[:end + 2]
        self._line(line)
        return True

    def _line(self, line: bytes) -> None:
        found = _LITERAL.search(line)
        if found is None:
            parts, self._parts = [*self._parts, line], []
            self._answer(parsed(parts))
            return
        self._parts.append(line[:found.start()])
        size = int(found[1])
        if size == 0:
            self._parts.append((b"",))
        elif size > KEPT_OCTETS:
            self._parts.append(Large(size))
            self._literal, self._large = size, True
        else:
            self._literal = size

    def _large_step(self) -> bool:
        piece = bytes(self._buffer[:self._literal])
        if not piece:
            return False
        del self._buffer[:len(piece)]
        self._literal -= len(piece)
        self._piece(piece)
        if not self._literal:
            self._large = False
            self._piece(b"")
        return True


def parsed(parts: list[bytes | Large | tuple[bytes]]) -> Answer:
    """The answer that these texts and literals make. Raises BadAnswer."""
    first = parts[0]
    assert isinstance(first, bytes)
    tag, _, rest = first.partition(b" ")
    if tag == b"+":
        return Answer(tag, text=rest)
    word, _, after = rest.partition(b" ")
    number = 0
    if word.isdigit() and tag == b"*":
        number = int(word)
        word, _, after = after.partition(b" ")
    answer = Answer(tag, word.upper(), number)
    if answer.word in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
        answer.text = after
    elif answer.word == b"SEARCH" and len(parts) == 1:
        answer.values = [*after.split()]         # many at once, and nothing but numbers
    else:
        answer.values = _values([after, *parts[1:]])
    return answer


def _values(parts: list[bytes | Large | tuple[bytes]]) -> list[Any]:
    stack: list[list[Any]] = [[]]
    for part in parts:
        if isinstance(part, Large):
            stack[-1].append(part)
        elif isinstance(part, tuple):
            stack[-1].append(part[0])
        else:
            _tokens(part, stack)
    if len(stack) != 1:
        raise BadAnswer("a list without end")
    return stack[0]


def _tokens(text: bytes, stack: list[list[Any]]) -> None:
    place, end = 0, len(text.rstrip(b" "))
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None or found.end() == place:
            raise BadAnswer("octets that are no value")
        place = found.end()
        if found[1]:
            stack.append([])
            if len(stack) > MAX_DEPTH:
                raise BadAnswer("lists within lists")
        elif found[2]:
            if len(stack) < 2:
                raise BadAnswer("a list without beginning")
            inner = stack.pop()
            stack[-1].append(inner)
        elif found[3] is not None:
            stack[-1].append(_ESCAPE.sub(rb"\1", found[3]))
        elif found[4]:
            stack[-1].append(None if found[4].upper() == b"NIL" else found[4])


def pairs(values: Any) -> dict[bytes, Any]:
    """FETCH's list of names and values as a dictionary with names in capitals."""
    if not isinstance(values, list):
        return {}
    return {name.upper(): value for name, value in zip(values[::2], values[1::2]) if isinstance(name, bytes)}
