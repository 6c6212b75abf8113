"""Content-Transfer-Encodings put on piece by piece (RFC 2045 sections 6.7, 6.8), for bodies too large to be held."""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from typing import Protocol

from .newlines import has_bare_newline

_GROUP = 57                 # octets that make a line of 76 characters
_LONG_LINE = 8_192          # octets of a text without a line end that are held; then a soft line break is put in


class Encoder(Protocol):
    """`feed` in order, then `finish`."""

    name: bytes             # as Content-Transfer-Encoding says it

    def feed(self, octets: bytes) -> bytes:
        """What these octets complete."""

    def finish(self, *, last: bool) -> bytes:
        """What is left. `last`: nothing follows in the message, which must end with a line end; else that of a delimiter does."""


class Base64Encoder:
    """Any octets; lines of 76 characters with CRLF between them."""

    name = b"base64"

    def __init__(self) -> None:
        self._left = b""
        self._begun = False

    def feed(self, octets: bytes) -> bytes:
        octets = self._left + octets
        whole = len(octets) - len(octets) % _GROUP
        self._left = octets[whole:]
        return self._lines(octets[:whole])

    def finish(self, *, last: bool) -> bytes:
        left, self._left = self._left, b""
        return self._lines(left) + (b"\r\n" if last and self._begun else b"")

    def _lines(self, octets: bytes) -> bytes:
        if not octets:
            return b""
        lines = [b2a_base64(octets[at:at + _GROUP], newline=False) for at in range(0, len(octets), _GROUP)]
        text = b"\r\n".join(lines)
        if self._begun:
            return b"\r\n" + text
        self._begun = True
        return text


class QuotedPrintableEncoder:
    """Text whose lines end in CRLF; a bare CR or LF is data and becomes =0D or =0A."""

    name = b"quoted-printable"

    def __init__(self) -> None:
        self._left = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._left + octets
        cut = octets.rfind(b"\r\n") + 2
        if cut < 2:
            if len(octets) <= _LONG_LINE:
                self._left = octets
                return b""
            cut = len(octets) - octets.endswith(b"\r")
            self._left = octets[cut:]
            return _unfinished(octets[:cut])
        self._left = octets[cut:]
        return _quoted(octets[:cut])

    def finish(self, *, last: bool) -> bytes:
        left, self._left = self._left, b""
        if not left:
            return b""
        return _unfinished(left) if last else _quoted_line(left)


def _quoted(octets: bytes) -> bytes:
    """Whole lines."""
    if not has_bare_newline(octets):
        return b2a_qp(octets, istext=True)          # which takes its soft line breaks' form from the first line end
    return b"\r\n".join(map(_quoted_line, octets.split(b"\r\n")))


def _quoted_line(octets: bytes) -> bytes:
    return b2a_qp(octets, istext=False).replace(b"=\n", b"=\r\n")


def _unfinished(octets: bytes) -> bytes:
    """A line of which more is to come, up to a soft line break; the octet lent to its end makes room for that."""
    text = b2a_qp(octets + b"x", istext=False)[:-1]
    return (text if text.endswith(b"=\n") else text + b"=\n").replace(b"=\n", b"=\r\n")
