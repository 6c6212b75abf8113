"""How a message is made fit for a host that takes only 7-bit or only 8-bit lines (RFC 6152 section 3, RFC 3030 section 3) [pure].

Only bodies of leaf parts are encoded, and Content-Transfer-Encoding fields say so; all else stays as it is, octet for octet.
Two looks at the message: `mime.scan` finds its parts; then each of `pieces` is read, looked at (`Look`) and written.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .encode import Base64Encoder, Encoder, QuotedPrintableEncoder
from .header import has_field, without_field
from .index import Index, Part
from .limits import LIMITS
from .transfer import IDENTITIES, Decoder, decoder_for

MAX_LINE = 998          # octets, CRLF not counted (RFC 5322 section 2.1.1)
_TOO_LONG = re.compile(rb"[^\n]{%d}" % (MAX_LINE + 2))
_BLANK = re.compile(rb"(?:\A|(?<=\n))\r?\n\Z")
_WIDE = bytes(range(128, 256))
_READABLE = 4           # text of which at most one in so many octets is beyond ASCII stays readable, as quoted-printable
_ATOMIC = frozenset((b"partial", b"external-body"))     # messages that may not be encoded (RFC 2046 sections 5.2.2, 5.2.3)


class CannotConvert(Exception):
    """The message cannot be made fit without loss; the text says why, for the sender."""


class Kind(enum.Enum):
    """What a piece of a message is."""

    HEADER = "header"
    BODY = "body"           # of a leaf part
    GAP = "gap"             # delimiters, and what stands before the first and behind the last


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets `start` to `end` of the message.

    A header and a body have a `part`, `leaf` says that there is none in it, `root` that it is a whole message; of what is
    `signed` not a single octet may change.
    """

    kind: Kind
    start: int
    end: int
    part: Part | None = None
    leaf: bool = False
    root: bool = False
    signed: bool = False


class Look:
    """What octets hold, in whatever pieces they come."""

    def __init__(self) -> None:
        self.size = 0
        self.wide = 0               # octets beyond ASCII
        self.nul = False
        self.bare = False           # a CR or LF without the other
        self.long = False           # a line of more than MAX_LINE octets
        self._line = b""            # the beginning of the line that goes on, as far as it matters
        self._cr = False            # the last octet was CR

    def feed(self, octets: bytes) -> None:
        """The next octets."""
        if not octets:
            return
        self.size += len(octets)
        if not octets.isascii():
            self.wide += len(octets) - len(octets.translate(None, _WIDE))
        self.nul = self.nul or b"\0" in octets
        ends = octets.count(b"\r\n") + (self._cr and octets.startswith(b"\n"))
        held = octets.endswith(b"\r")
        self.bare = self.bare or octets.count(b"\n") != ends or octets.count(b"\r") - held + self._cr != ends
        self._cr = held
        line = self._line + octets
        self.long = self.long or _TOO_LONG.search(line) is not None
        self._line = line[max(line.rfind(b"\n") + 1, len(line) - MAX_LINE - 2):]

    def finish(self) -> Look:
        """No more octets come."""
        self.bare = self.bare or self._cr
        return self

    def fits(self, eight: bool) -> bool:
        """Whether it can go as it is over a way that is 8 bits wide, or 7."""
        return not (self.nul or self.bare or self.long or (self.wide and not eight))


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to a part: `label` is its new Content-Transfer-Encoding (None: the old), the coders take its body."""

    label: bytes | None = None
    decoder: Decoder | None = None
    encoder: Encoder | None = None
    unknown_charset: bool = False       # its text is beyond ASCII, and nothing says what it means


def pieces(index: Index) -> Iterator[Piece]:
    """A message's pieces from its first octet to its last. Raises CannotConvert: too much of it was not understood."""
    if len(index.parts) >= LIMITS.parts or _depth(index) >= LIMITS.depth:
        raise CannotConvert("it has too many parts")
    containers = {part.parent for part in index.parts if not _substituted(index, part)}
    at = 0
    for number, part in enumerate(index.parts):
        if _substituted(index, part):
            continue
        signed, leaf = _signed(index, part), number not in containers
        if part.start > at:
            yield Piece(Kind.GAP, at, part.start)
        if part.body - part.start > LIMITS.header_octets:
            raise CannotConvert("the header of a part of it is too long")
        root = part.parent < 0 or index.parts[part.parent].is_message
        yield Piece(Kind.HEADER, part.start, part.body, part, leaf, root, signed)
        at = part.body
        if leaf:
            yield Piece(Kind.BODY, part.body, part.end, part, leaf, root, signed)
            at = part.end
    if index.size > at:
        yield Piece(Kind.GAP, at, index.size)


def treatment(piece: Piece, look: Look, *, eight: bool) -> Treatment:
    """What the part of a header piece needs; `look` is at a leaf's body. Raises CannotConvert."""
    part = piece.part
    assert part is not None
    wide_label = part.encoding == b"binary" or (part.encoding == b"8bit" and not eight)
    if look.fits(eight):
        label = b"8bit" if look.wide or (eight and not piece.leaf) else b"7bit"
        return Treatment(label if wide_label and not piece.signed else None)
    if piece.signed:
        raise CannotConvert("it is signed")
    if part.is_multipart or part.is_message or (part.maintype == b"message" and part.subtype in _ATOMIC):
        raise CannotConvert("a part of it may not be encoded, and needs it")
    plain = part.encoding in IDENTITIES
    decoder = None if plain else decoder_for(part.encoding)
    if not plain and decoder is None:
        raise CannotConvert("a part of it has an unknown encoding")
    encoder = _encoder(part, look)
    return Treatment(encoder.name, decoder, encoder, plain and part.maintype == b"text" and bool(look.wide))


def _encoder(part: Part, look: Look) -> Encoder:
    if part.encoding in IDENTITIES:
        text = part.maintype in (b"text", b"message") and not (look.nul or look.bare) and look.wide * _READABLE <= look.size
        return QuotedPrintableEncoder() if text else Base64Encoder()
    return Base64Encoder() if part.encoding == b"base64" else QuotedPrintableEncoder()


def relabelled(block: bytes, piece: Piece, done: Treatment) -> bytes:
    """The header block of a part as its treatment demands. Raises CannotConvert."""
    if done.label is None:
        return block
    blank = _BLANK.search(block)
    if blank is None:
        raise CannotConvert("the header of a part of it has no end")
    fields = without_field(block[:blank.start()], b"content-transfer-encoding")
    if piece.root and not has_field(fields, b"mime-version"):
        fields += b"MIME-Version: 1.0\r\n"
    if done.unknown_charset and not has_field(fields, b"content-type"):
        fields += b"Content-Type: text/plain; charset=unknown-8bit\r\n"       # RFC 1428 section 3
    return fields + b"Content-Transfer-Encoding: " + done.label + b"\r\n\r\n"


def checked(octets: bytes, eight: bool) -> bytes:
    """`octets` of a header or a gap, which cannot be encoded. Raises CannotConvert."""
    if not eight and not octets.isascii():
        raise CannotConvert("it has octets beyond ASCII outside of its parts' bodies")
    if b"\0" in octets:
        raise CannotConvert("it has NUL octets outside of its parts' bodies")
    return octets


def _substituted(index: Index, part: Part) -> bool:
    """Whether the scanner made `part` up, for a container in which it found nothing."""
    return part.parent >= 0 and part.start == part.body == index.parts[part.parent].body


def _signed(index: Index, part: Part) -> bool:
    """Whether `part` lies in what a multipart/signed signs (RFC 1847 section 2.1)."""
    while part.parent >= 0:
        part = index.parts[part.parent]
        if part.is_multipart and part.subtype == b"signed":
            return True
    return False


def _depth(index: Index) -> int:
    depths: list[int] = []
    for part in index.parts:
        depths.append(1 if part.parent < 0 else depths[part.parent] + 1)
    return max(depths)
