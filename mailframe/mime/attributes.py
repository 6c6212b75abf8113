"""All that IMAP wants ready beside a message, from one pass over it."""

from __future__ import annotations

from mailframe.model.mailbox import Attributes

from .envelope import envelope_of, render_envelope
from .index import Index
from .scan import Scanner, scanned
from .structure import render_bodystructure

VERSION = 1     # of everything made here; raise it whenever any of the bytes change, so that kept ones are made anew


def attributes(octets: bytes) -> Attributes:
    """Of a whole message (head and content together). Never raises."""
    return attributes_of(scanned(octets))


def attributes_of(scanner: Scanner) -> Attributes:
    """Of the whole message that `scanner` was fed piece by piece; `finish` is called here."""
    index = scanner.finish()
    return Attributes(VERSION, envelope_of(scanner.root_fields), render_bodystructure(index), index.pack())


def from_scan(index: Index, header_block: bytes, head: bytes) -> Attributes:
    """Of `head` + a content whose `index` and `header_block` (its own, with or without the empty line) are known.

    `head` is complete header lines without MIME fields: the structure is the content's.
    """
    return Attributes(VERSION, render_envelope(head + header_block), render_bodystructure(index), index.shifted(head).pack())
