"""How answers are spelled, and the buffer that makes one write of many (RFC 3501 section 9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from time import gmtime

from mailframe.model.flags import flag_names

from . import mutf7

_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]{0,1000}")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")

_HEADS: list[bytes] = [b""]
KEPT_HEADS = 200_000        # of ready-made "* n FETCH (" (some 10 MiB when all are used), shared by all sessions of the process


def string(octets: bytes) -> bytes:
    """A quoted string where it can be one, else a literal."""
    if _QUOTABLE.fullmatch(octets):
        return quoted(octets)
    return literal(octets)


def quoted(octets: bytes) -> bytes:
    """`octets` (no CR, LF, NUL) between quotes."""
    if b'"' in octets or b"\\" in octets:
        octets = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + octets + b'"'


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


def literal8(octets: bytes) -> bytes:
    """A literal, and one that may hold a NUL where it does (RFC 3516 section 4.2)."""
    return (b"~" if b"\0" in octets else b"") + literal(octets)


def nstring(octets: bytes | None) -> bytes:
    return b"NIL" if octets is None else string(octets)


def astring(octets: bytes) -> bytes:
    """An atom where it can be one, else a string."""
    if _ATOM.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets)


def mailbox(name: str, utf8: bool = False) -> bytes:
    """A mailbox name, in modified UTF-7, or in UTF-8 after ENABLE UTF8=ACCEPT (RFC 6855)."""
    if utf8:
        return quoted(name.encode("utf-8"))
    return astring(mutf7.encode(name))


def parenthesized(items: Iterable[bytes]) -> bytes:
    return b"(" + b" ".join(items) + b")"


def flags(mask: int, keywords: Sequence[str], recent: bool = False) -> bytes:
    """A flag list: ``(\\Seen $Forwarded)``."""
    names = flag_names(mask, keywords)
    if recent:
        names.append(b"\\Recent")
    return b"(" + b" ".join(names) + b")"


def date_time(seconds: int) -> bytes:
    """INTERNALDATE in quotes, in UTC."""
    day, second = divmod(seconds, 86_400)
    try:
        return b'%b%b%02d +0000"' % (_day(day), _MINUTES[second // 60], second % 60)
    except (OverflowError, OSError, ValueError):
        return date_time(0)


_MINUTES = [b"%02d:%02d:" % divmod(minute, 60) for minute in range(1_440)]


@lru_cache(4_096)
def _day(number: int) -> bytes:
    """``"23-Nov-2026 ``, the number-th day since 1970. A mailbox has few: to render each anew takes twice as long."""
    year, month, day = gmtime(number * 86_400)[:3]
    return b'"%2d-%b-%04d ' % (day, _MONTHS[month - 1], year)


def text(words: str) -> bytes:
    """Human-readable text of a response: one line of printable US-ASCII, never empty, and nothing like a response code."""
    octets = bytes(octet if 32 <= octet < 127 else 32 for octet in words.encode("ascii", "replace"))
    return b"- " + octets if octets.startswith(b"[") else octets or b"-"


def heads(start: int, stop: int) -> list[bytes]:
    """``* n FETCH (`` for the sequence numbers start <= n < stop, ready to be joined with what follows."""
    if stop > KEPT_HEADS:
        return [b"* %d FETCH (" % number for number in range(start, stop)]
    if stop > len(_HEADS):
        _HEADS.extend([b"* %d FETCH (" % number for number in range(len(_HEADS), stop)])
    return _HEADS[start:stop]


class Writer:
    """Collects answers; `flush` hands them on as one piece.

    Whoever writes much looks at `full` between its pieces and then awaits `Context.drained()`.
    """

    __slots__ = ("_chunks", "_send", "pending")

    HIGH_WATER = 65_536     # octets gathered before a long answer begins to go out

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._chunks: list[bytes] = []
        self.pending = 0

    def write(self, octets: bytes) -> None:
        """Octets as they go out, complete with CRLF where a line ends."""
        self._chunks.append(octets)
        self.pending += len(octets)

    def untagged(self, line: bytes) -> None:
        """``* line`` and CRLF."""
        self.write(b"* " + line + b"\r\n")

    @property
    def full(self) -> bool:
        return self.pending >= self.HIGH_WATER

    def flush(self) -> None:
        if self._chunks:
            octets = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self._chunks.clear()
            self.pending = 0
            self._send(octets)
