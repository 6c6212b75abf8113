"""Address lists that all programs read alike (RFC 5322 section 3.4) [pure].

Where a list is not quite one, each program guesses for itself: of ``eve@example.org <bob@example.org>`` some show the first,
some the second. Reading tolerantly is right for showing mail, and wrong for judging who it is from.
"""

from __future__ import annotations

import re

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]++"                  # with dots, which sloppy names have
_QUOTED = rb'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*+"'
_COMMENT = rb"\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*+\))*+\)"              # one within another, no deeper
_SPACE = rb"(?:[ \t]|" + _COMMENT + rb")*+"
_ADDRESS = rb"(?:" + _ATOM + rb"|" + _QUOTED + rb")@(?:" + _ATOM + rb"|\[[A-Za-z0-9.:]++\])"
_ANGLE = rb"<" + _SPACE + _ADDRESS + _SPACE + rb">"
_PHRASE = rb"(?:(?:" + _ATOM + rb"|" + _QUOTED + rb")" + _SPACE + rb")++"
_MAILBOX = (                                                             # an address may stand for the name in front of another
    _SPACE + rb"(?>" + _ADDRESS + _SPACE + rb"(?:" + _ANGLE + rb")?+|(?:" + _PHRASE + rb")?+" + _ANGLE + rb")" + _SPACE)
_MAILBOXES = _MAILBOX + rb"(?:," + _MAILBOX + rb")*+"
_GROUP = _SPACE + _PHRASE + rb":(?>" + _MAILBOXES + rb"|" + _SPACE + rb");" + _SPACE
_ELEMENT = rb"(?>" + _GROUP + rb"|" + _MAILBOX + rb")"
_LIST = re.compile(_ELEMENT + rb"(?:," + _ELEMENT + rb")*+")
_SPOKEN = re.compile(rb"(" + _ADDRESS + rb")|" + _QUOTED + rb"|" + _COMMENT)


def spoken(value: bytes) -> list[bytes] | None:
    """All addresses in the unfolded `value`, as they are written; one that stands for a name is among them.

    None where `value` is not exactly a list.
    """
    if _LIST.fullmatch(value) is None:
        return None
    return [address for address in _SPOKEN.findall(value) if address]
