"""A report that returns only the header of what it reports, for hosts that cannot be given the rest [pure]."""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.mime.encode import QuotedPrintableEncoder
from mailframe.mime.index import Index

MAX_HEADER = 65_536         # octets of the returned header: as much as our own reports show


@dataclass(frozen=True, slots=True)
class Returned:
    """Where a report holds a whole message: its part from `start` to `end`, and in it the message's header."""

    start: int
    end: int
    header: int
    header_end: int
    wide: bool              # it is a message of RFC 6532, with UTF-8 in its header


def returned(index: Index) -> Returned | None:
    """The third part of a multipart/report, if that is a whole message (RFC 6522 section 3)."""
    if not (index.parts[0].is_multipart and index.parts[0].subtype == b"report"):
        return None
    children = index.children(0)
    if len(children) < 3 or not index.parts[children[2]].is_message:
        return None
    part, message = index.parts[children[2]], index.parts[index.children(children[2])[0]]
    end = min(message.body, message.start + MAX_HEADER)
    return Returned(part.start, part.end, message.start, end, part.subtype == b"global")


def header_part(header: bytes, wide: bool) -> bytes:
    """The part with the header alone instead: in an encoding that its type allows (RFC 6522 section 4, RFC 6533)."""
    kind = b"message/global-headers" if wide else b"text/rfc822-headers"
    encoder = QuotedPrintableEncoder()
    lines = header[:header.rfind(b"\n") + 1]
    encoded = encoder.feed(lines) + encoder.finish(last=False)
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%b" % (kind, encoded)
