"""A message's place in its conversation: its own Message-ID and those it answers, as hashes (RFC 5322 section 3.6.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

from mailframe.model.mailbox import Links

MESSAGE_ID = re.compile(rb"<([^<>\s]{1,998})>")
LINK_FIELDS = frozenset({b"message-id", b"in-reply-to", b"references"})


def links_of(found: Sequence[tuple[bytes, bytes]]) -> Links:
    """From a header's fields, names in lower case, the first of each name: References, else the first id of In-Reply-To."""
    first = dict(reversed(found))
    own = MESSAGE_ID.search(first.get(b"message-id", b""))
    above = []
    if b"references" in first or b"in-reply-to" in first:
        above = MESSAGE_ID.findall(first.get(b"references", b"")) or MESSAGE_ID.findall(first.get(b"in-reply-to", b""))[:1]
    if not above:
        return Links(_hash(own[1])) if own else NO_LINKS
    return Links(_hash(own[1]) if own else 0, _hash(above[-1]), _hash(above[0]))


def _hash(message_id: bytes) -> int:
    """64 bits, signed as SQLite keeps them; 0 is kept free for "none"."""
    return int.from_bytes(blake2b(message_id, digest_size=8).digest(), "big", signed=True) or 1


NO_LINKS = Links()
