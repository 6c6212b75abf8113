"""MESSAGELIMIT and SAVELIMIT (RFC 9738): how many messages one command may work on, where the operator sets a limit.

`limits` holds what the commands ask. A command that did only the last messages of those named says so in its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mailframe.model.mailbox import MAX_UID, UidRanges
from mailframe.model.query import Numbers, Query

from ..registry import Context, Extension, State
from ..search.searchkeys import Key, KeyReader, SearchKey
from ..view import View


@dataclass(frozen=True, slots=True)
class Beside:
    """The messages after or before a UID, itself excluded (section 3.2). None: the one that "$" holds, and any of several."""

    uid: int | None
    after: bool

    def ranges(self, view: View) -> UidRanges:
        known = list(view.saved) if self.uid is None else [self.uid]
        if not known:
            return ()
        low, high = (known[-1] + 1, MAX_UID) if self.after else (1, known[0] - 1)
        return ((low, high),) if low <= high else ()


def _key(after: bool) -> Key:
    def read(reader: KeyReader) -> Query:
        reader.cursor.space()
        return Numbers(Beside(None if reader.cursor.take(b"$") else reader.cursor.nz_number(), after))

    return read


def _announced(context: Context) -> Iterable[bytes]:
    settings = context.settings
    if settings.message_limit:
        yield b"MESSAGELIMIT=%d" % settings.message_limit
    elif settings.save_limit:
        yield b"SAVELIMIT=%d" % settings.save_limit


EXTENSION = Extension(
    capability=None, rfc="9738", announced=State.LOGGED_IN, capabilities=_announced,
    search_keys=(SearchKey(b"UIDAFTER", _key(True)), SearchKey(b"UIDBEFORE", _key(False))),
)
