"""Content-Transfer-Encodings taken off piece by piece (RFC 2045 section 6), for bodies too large to be held."""

from __future__ import annotations

import binascii
import re
from typing import Protocol

from .words import FOREIGN

_LONG_LINE = 65_536         # quoted-printable has lines of 76 characters; one of this length is cut where it does no harm
MAX_BLANKS = 998            # at a line's end are taken away: more make no line of mail (RFC 5322 section 2.1.1)
_BLANKS = rb"(?<![ \t])[ \t]{1,%d}+" % MAX_BLANKS
_AT_LINE_ENDS = re.compile(_BLANKS + rb"(?=\r?\n)")
_AT_ENDS = re.compile(_BLANKS + rb"(?=\r?\n|\Z)")
_BLANK_ENDS = (b" \r", b" \n", b"\t\r", b"\t\n")


class Decoder(Protocol):
    """`feed` in order, then `finish`. All together gives what `text.decode_transfer` gives of the whole."""

    def feed(self, octets: bytes) -> bytes:
        """What these octets complete."""

    def finish(self) -> bytes:
        """What is left at the end."""


def decoder_for(encoding: bytes) -> Decoder | None:
    """For an encoding as a part's header names it; None for one that is unknown here."""
    encoding = encoding.lower()
    if encoding == b"base64":
        return Base64()
    if encoding == b"quoted-printable":
        return QuotedPrintable()
    return Identity() if encoding in IDENTITIES else None


#: Encodings that change nothing.
IDENTITIES = frozenset({b"", b"7bit", b"8bit", b"binary"})


class Identity:
    """The octets themselves."""

    def feed(self, octets: bytes) -> bytes:
        return octets

    def finish(self) -> bytes:
        return b""


class Base64:
    """Foreign characters are passed over, and what follows the padding is no part of it."""

    def __init__(self) -> None:
        self._left = b""
        self._pads = 0              # "=" since the last character that counts
        self._over = False

    def feed(self, octets: bytes) -> bytes:
        if self._over:
            return b""
        clean = self._left + self._up_to_padding(octets)
        whole = len(clean) if self._over else len(clean) & ~3
        self._left = clean[whole:]
        return self._decoded(clean[:whole])

    def finish(self) -> bytes:
        left, self._left = self._left, b""
        return self._decoded(left)

    def _up_to_padding(self, octets: bytes) -> bytes:
        """The characters that count, up to where one or two "=" fill the last group of four up."""
        taken = b""
        while (at := octets.find(b"=")) >= 0:
            taken = self._take(taken, octets[:at])
            self._pads += 1
            place = (len(self._left) + len(taken)) & 3
            if place >= 2 and place + self._pads >= 4:
                self._over = True
                return taken
            octets = octets[at + 1:]
        return self._take(taken, octets)

    def _take(self, taken: bytes, octets: bytes) -> bytes:
        clean = octets.translate(None, FOREIGN)
        if clean:
            self._pads = 0
        return taken + clean

    def _decoded(self, clean: bytes) -> bytes:
        if len(clean) & 3 == 1:             # a lone last character says nothing
            clean = clean[:-1]
        return binascii.a2b_base64(clean + b"=" * (-len(clean) & 3))


def unquoted_printable(octets: bytes, last: bool = True) -> bytes:
    """Quoted-printable decoded. Blanks at a line's end were added on the way, also behind the "=" of a soft one (RFC 2045 section
    6.7, rule 3); so are those at the very end, if it is the `last` piece."""
    if any(end in octets for end in _BLANK_ENDS) or (last and octets.endswith((b" ", b"\t"))):
        octets = (_AT_ENDS if last else _AT_LINE_ENDS).sub(b"", octets)
    return binascii.a2b_qp(octets)


class QuotedPrintable:
    """Line by line."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._left + octets
        cut = octets.rfind(b"\n") + 1
        if not cut and len(octets) > _LONG_LINE:
            cut = _within_line(octets)
        self._left = octets[cut:]
        return unquoted_printable(octets[:cut], last=False)

    def finish(self) -> bytes:
        left, self._left = self._left, b""
        return unquoted_printable(left)


def _within_line(octets: bytes) -> int:
    """Where a line without an end can be cut: in no "=XX", and before blanks that may prove to be its last."""
    octets = octets.removesuffix(b"\r")             # perhaps the line's end
    solid = len(octets.rstrip(b" \t"))
    if len(octets) - solid > MAX_BLANKS + 1:
        return len(octets) - MAX_BLANKS - 1         # too many to be taken away, and so is what is left of them
    cut = solid - 3
    return octets.rfind(b"=", cut - 3, cut) if b"=" in octets[cut - 3:cut] else cut
