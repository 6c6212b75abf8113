"""Whether what a client has sent ahead counts messages by the numbers that it knew then (RFC 9051 section 5.5). Pure.

Such a client had not read the answer under way, so no EXPUNGE may be in it: "1 EXPUNGE" told by NOOP would make the "FETCH 2"
that waits behind it fetch another message. A literal's content that looks like a command only makes us wait needlessly.
"""

from __future__ import annotations

import re
from collections.abc import Container

_COMMAND = re.compile(rb"^[^\x00-\x20]+ ((?:UID )?[A-Z][A-Z0-9.-]*)(?=[ \r\n])([^\n]*)", re.IGNORECASE | re.MULTILINE)
_BEGUN = re.compile(rb"(?:^|\n)[^\x00-\x20]+(?: (?:UID ?)?[A-Z0-9.-]*)?\r?\Z", re.IGNORECASE)
_SET = re.compile(rb"[ (][1-9*][0-9:,*$]*(?=[ )\r]|\Z)")


def counts_messages(waiting: bytes, always: Container[bytes], perhaps: Container[bytes]) -> bool:
    """Of the octets that wait to be read as commands: whether one is a command that is `always` about numbers, or one that
    `perhaps` is and has something like a message set among its arguments, or one not whole enough to tell."""
    for found in _COMMAND.finditer(waiting):
        name = found[1].upper()
        unfinished = found.end() == len(waiting)
        if name in always or (name in perhaps and (unfinished or _SET.search(found[2]))):
            return True
    return bool(_BEGUN.search(waiting))
