"""mbox files: where messages begin and end, what stands in front of them, how "From " within them is quoted. Pure.

Written as mboxrd (every ``>*From `` at the start of a line gets one more ``>``). Read as that or another of the family; with LF
or CRLF; with the empty line before each From_ line or, where the line is beyond doubt, without.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from mailframe.mime.date import parse_date
from mailframe.mime.header import split_header

Quoting = Literal["mboxrd", "none"]

CHUNK = 262_144
_AHEAD = 4_096              # octets of a From_ line and the line after it that are looked at
HEADER = 1_048_576          # of a header that is searched for metadata

_CERTAIN = re.compile(                  # From_ lines with a date, as all programs write them but the very careless
    rb"From .*\b[A-Z][a-z]{2},? +(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} +[A-Z][a-z]{2})\b.*\d{1,2}:\d\d.*")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|>From ")
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
_TO_QUOTE = re.compile(rb"^(?=>*From )", re.MULTILINE)
_METADATA = re.compile(
    rb"^(Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase|X-Mozilla-Status2?|X-Mozilla-Keys)[ \t]*:"
    rb"([^\n]*\n?(?:[ \t][^\n]*\n?)*)",
    re.MULTILINE | re.IGNORECASE)
_OURS = re.compile(rb"X-Mailframe-Metadata: lines=(\d{1,2}); last-line=(whole|cut)\r?\n")
_INTERNAL = re.compile(rb"^X-IMAP(?:base)?:", re.MULTILINE | re.IGNORECASE)
_ATOM = re.compile(r"[!#$&'+-\[^-z|}~]+")


@dataclass(frozen=True, slots=True)
class Span:
    """One message's place in its file."""

    start: int                  # of its From_ line
    end: int                    # after its last octet; the empty line that parts it from the next is not its own


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands in front of a message and is not part of it."""

    flags: tuple[bytes, ...]
    date: int | None            # of the From_ line, seconds since the epoch
    uid: int = 0                # X-UID of an export of ours
    removed: bool = False       # its program has deleted it, and has only not compacted the file yet
    internal: bool = False      # no message: a program's notes about the folder
    cut: bool = False           # its last line has no line end
    exact: bool = False         # written by us: each LF stands for CRLF


def spans(file: BinaryIO) -> Iterator[Span]:
    """Each message of a file, which is read in chunks from where it stands (its beginning)."""
    start = -1
    buffer, base, place, ended = b"\n", -1, 0, False
    while True:
        found = buffer.find(b"\nFrom ", place)
        if not ended and (found < 0 or len(buffer) - found < _AHEAD):
            keep = max((found if found >= 0 else len(buffer) - 6) - 3, 0)
            more = file.read(CHUNK)
            ended = not more
            buffer, base, place = buffer[keep:] + more, base + keep, max(place - keep, 0)
            continue
        if found < 0:
            break
        if _parts(buffer, found + 1, base):
            if start >= 0:
                yield Span(start, base + found + 1 - _empty_line(buffer[max(found - 2, 0):found + 1]))
            start = base + found + 1
        place = found + 1
    if start >= 0:
        yield Span(start, base + len(buffer) - _empty_line(buffer))


def _parts(buffer: bytes, at: int, base: int) -> bool:
    """Whether the line that begins with "From " at `at` begins a message."""
    end = buffer.find(b"\n", at)
    line, following = buffer[at:end if end >= 0 else len(buffer)], buffer[end + 1:end + 200] if end >= 0 else b""
    certain = _CERTAIN.match(line) is not None
    field = _FIELD.match(following) is not None
    if base + at == 0:
        return True
    if _empty_line(buffer[max(at - 3, 0):at]):
        return certain or field
    return certain and field            # other programs forget the empty line, or a message before ended without line end


def _empty_line(before: bytes) -> int:
    """The length of the empty line at the end of `before`; 0 where there is none."""
    if before.endswith(b"\n\n"):
        return 1
    return 2 if before.endswith(b"\n\r\n") else 0


def heading(octets: bytes) -> tuple[Heading, bytes, int]:
    """(heading, the header without it, how many octets of the message these are from) of a message's beginning.

    `octets` are its first up to HEADER from the From_ line on; that line and metadata fields are taken away. What our own export
    wrote says by itself how many lines are not the message's.
    """
    line_end = octets.find(b"\n") + 1 or len(octets)
    date = _date(octets[:line_end])
    ours = _OURS.match(octets, line_end)
    if ours is not None:
        lines, place = int(ours[1]), ours.end()
        block_end = place
        for _ in range(lines):
            block_end = octets.find(b"\n", block_end) + 1 or len(octets)
        block = octets[place:block_end]
        if len(_METADATA.findall(block)) == lines:
            flags, uid, removed = _flags(block)
            return Heading(flags, date, uid, removed, cut=ours[2] == b"cut", exact=not ours[0].endswith(b"\r\n")), b"", block_end
    end = line_end + split_header(octets[line_end:])
    header = octets[line_end:end]
    flags, _, removed = _flags(header)
    internal = b"FOLDER INTERNAL DATA" in header and _INTERNAL.search(header) is not None
    header = _METADATA.sub(b"", header)
    if ours is not None:                # another program has moved our fields
        header = _OURS.sub(b"", header, count=1)
    if date is None:
        value = re.search(rb"^Date:([^\n]*(?:\n[ \t][^\n]*)*)", header, re.MULTILINE | re.IGNORECASE)
        parsed = parse_date(value[1]) if value else None
        date = parsed[0] if parsed else None
    return Heading(flags, date, 0, removed, internal), header, end


def _date(line: bytes) -> int | None:
    words = line.split(b" ", 2)
    parsed = parse_date(words[2]) if len(words) == 3 and _CERTAIN.match(line) else None
    return parsed[0] if parsed else None


def _flags(header: bytes) -> tuple[tuple[bytes, ...], int, bool]:
    """(flags, X-UID, whether removed) as Status, X-Status, X-Keywords and Thunderbird's own fields say."""
    flags: list[bytes] = []
    uid, removed = 0, False
    for name, raw in _METADATA.findall(header):
        name, value = name.lower(), raw.decode("utf-8", "replace").strip()
        if name in (b"status", b"x-status"):
            flags += [_LETTERS[letter] for letter in value if letter in _LETTERS]
        elif name in (b"x-keywords", b"x-mozilla-keys"):
            flags += [word.encode() for word in re.split(r"[ ,\t\r\n]+", value) if _ATOM.fullmatch(word) and word.isascii()]
        elif name == b"x-uid" and value.isascii() and value.isdigit():
            uid = int(value)
        elif name == b"x-mozilla-status" and re.fullmatch("[0-9a-fA-F]{1,8}", value):
            bits = int(value, 16)
            flags += [flag for bit, flag in _MOZILLA if bits & bit]
            removed = bits & 0x8 != 0
    return tuple(dict.fromkeys(flags)), uid, removed


_LETTERS = {"R": b"\\Seen", "A": b"\\Answered", "F": b"\\Flagged", "D": b"\\Deleted", "T": b"\\Draft"}
_MOZILLA = ((0x1, b"\\Seen"), (0x2, b"\\Answered"), (0x4, b"\\Flagged"), (0x1000, b"$Forwarded"))
_LETTER_OF = {flag.lower(): letter for letter, flag in _LETTERS.items()}


class Lines:
    """Applies a pattern that matches at the start of lines to octets that come in chunks."""

    def __init__(self, pattern: re.Pattern[bytes], replacement: bytes) -> None:
        self._pattern = pattern
        self._replacement = replacement
        self._carry = b""
        self._within = False        # the carry continues a line that was too long to be kept

    def feed(self, octets: bytes) -> bytes:
        """The next octets, whole lines of them."""
        octets = self._carry + octets
        cut = octets.rfind(b"\n") + 1
        if cut == 0 and len(octets) < CHUNK:
            self._carry = octets
            return b""
        whole, self._carry = (octets[:cut], octets[cut:]) if cut else (octets, b"")
        answer = self._applied(whole)
        self._within = cut == 0
        return answer

    def end(self) -> bytes:
        """What was kept back."""
        carry, self._carry = self._carry, b""
        return self._applied(carry)

    def _applied(self, octets: bytes) -> bytes:
        if b"From " not in octets:
            return octets
        if not self._within:
            return self._pattern.sub(self._replacement, octets)
        first = octets.find(b"\n") + 1 or len(octets)
        return octets[:first] + self._pattern.sub(self._replacement, octets[first:])


def unquoting(quoting: Quoting) -> Lines | None:
    """What undoes the quoting of a file; None: nothing is quoted in it."""
    return Lines(_QUOTED, b"") if quoting == "mboxrd" else None


def quoting() -> Lines:
    """What quotes a message for a file of ours."""
    return Lines(_TO_QUOTE, b">")


def render_heading(flags: Iterable[bytes], date: int, uid: int, cut: bool) -> bytes:
    """The From_ line and the metadata in front of a message; `cut`: its last line has no line end, so one will be added."""
    letters = {_LETTER_OF[flag.lower()] for flag in flags if flag.lower() in _LETTER_OF}
    words = [flag for flag in flags if flag.lower() not in _LETTER_OF and flag.lower() != b"\\recent"]
    lines = [b"X-UID: %d" % uid, b"Status: " + (b"RO" if "R" in letters else b"O")]
    if rest := "".join(sorted(letters - {"R"})):
        lines.append(b"X-Status: " + rest.encode())
    if words:
        lines.append(b"X-Keywords: " + b" ".join(words))
    when = time.asctime(time.gmtime(max(date, 0))).encode()
    mark = b"X-Mailframe-Metadata: lines=%d; last-line=%s" % (len(lines), b"cut" if cut else b"whole")
    return b"\n".join((b"From MAILER-DAEMON " + when, mark, *lines, b""))
