"""All that IMAP wants ready beside a message, from one pass over it."""

from __future__ import annotations

from mailframe.model.mailbox import Attributes

from .envelope import ENVELOPE_FIELDS, envelope_of, render_envelope
from .header import chosen_fields
from .index import Index
from .limits import LIMITS
from .scan import Scanner, scanned
from .structure import render_bodystructure

Fields = list[tuple[bytes, bytes]]

VERSION = 1     # of everything made here; raise it whenever any of the bytes change, so that kept ones are made anew


def attributes(octets: bytes) -> Attributes:
    """Of a whole message (head and content together). Never raises."""
    return attributes_of(scanned(octets))


def attributes_of(scanner: Scanner) -> Attributes:
    """Of the whole message that `scanner` was fed piece by piece; `finish` is called here."""
    index = scanner.finish()
    return Attributes(VERSION, envelope_of(scanner.root_fields), render_bodystructure(index), index.pack())


def from_scan(index: Index, header_block: bytes, head: bytes, found: Fields | None = None) -> Attributes:
    """Of `head` + a content whose `index` and `header_block` (its own, with or without the empty line) are known.

    `head` is complete header lines without MIME fields: the structure is the content's. `found` is `Scanner.root_fields`
    of the content, if at hand, so that its header need not be read again.
    """
    if found is not None and _apart(header_block, head):
        envelope = envelope_of(chosen_fields(head, ENVELOPE_FIELDS) + found)
    else:
        envelope = render_envelope(head + header_block)
    return Attributes(VERSION, envelope, render_bodystructure(index), index.pack(len(head)))


def _apart(header_block: bytes, head: bytes) -> bool:
    """Whether both can be read one by one: no field runs on from one into the other, and no limit cuts them off."""
    return (
        not header_block.startswith((b" ", b"\t")) and len(head) + len(header_block) <= LIMITS.header_octets
        and head.count(b"\n") + header_block.count(b"\n") <= LIMITS.header_fields
    )
