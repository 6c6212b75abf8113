"""All that IMAP wants ready beside a message, from one pass over it."""

from __future__ import annotations

from mailframe.model.mailbox import Attributes, Links

from .atonce import Fields
from .envelope import ENVELOPE_FIELDS, envelope_of
from .header import chosen_fields, split_header
from .imapstring import imap_string
from .index import Index
from .limits import LIMITS
from .links import LINK_FIELDS, links_of
from .preview import preview as preview_of
from .scan import Scanner, read
from .structure import render_bodystructure

_WANTED = ENVELOPE_FIELDS | LINK_FIELDS
VERSION = 1     # of everything made here; raise it whenever any of the bytes change, so that kept ones are made anew


def attributes(octets: bytes) -> Attributes:
    """Of a whole message (head and content together). Never raises."""
    return _attributes(*read(octets), octets)


def attributes_of(scanner: Scanner, octets: bytes) -> Attributes:
    """Of the whole message `octets` that `scanner` was fed; `finish` is called here."""
    index = scanner.finish()
    return _attributes(index, scanner.root_fields, octets)


def _attributes(index: Index, found: Fields, octets: bytes) -> Attributes:
    return Attributes(
        VERSION, envelope_of(found), render_bodystructure(index), index.pack(), links_of(found), rendered_preview(octets, index))


def from_scan(index: Index, header_block: bytes, head: bytes, found: Fields | None = None, preview: bytes = b"") -> Attributes:
    """Of `head` + a content whose `index` and `header_block` (its own, with or without the empty line) are known.

    `head` is complete header lines without MIME fields: the structure is the content's. `found` is `Scanner.root_fields`
    of the content, if at hand, so that its header need not be read again; `preview` what `rendered_preview` made of it.
    """
    if found is not None and _apart(header_block, head):
        found = chosen_fields(head, _WANTED) + found
    else:
        found = chosen_fields((head + header_block)[:LIMITS.header_octets], _WANTED)
    return Attributes(VERSION, envelope_of(found), render_bodystructure(index), index.pack(len(head)), links_of(found), preview)


def rendered_preview(octets: bytes, index: Index) -> bytes:
    """The message's first words as a finished IMAP string (RFC 8970 section 3)."""
    return imap_string(preview_of(octets, index).encode())


def links_in(header_block: bytes) -> Links:
    """Of a message without attributes, from the beginning of its octets (its header, and perhaps more)."""
    return links_of(chosen_fields(header_block[:min(split_header(header_block), LIMITS.header_octets)], LINK_FIELDS))


def _apart(header_block: bytes, head: bytes) -> bool:
    """Whether both can be read one by one: no field runs on from one into the other, and no limit cuts them off."""
    return (
        not header_block.startswith((b" ", b"\t")) and len(head) + len(header_block) <= LIMITS.header_octets
        and head.count(b"\n") + header_block.count(b"\n") <= LIMITS.header_fields
    )
