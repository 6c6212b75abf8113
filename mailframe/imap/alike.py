"""What the views of one mailbox make of the same changes, made once; for `view.py` alone (I6). Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Hashable
from functools import lru_cache, reduce
from itertools import repeat
from operator import or_

from mailframe.model.mailbox import Rows

MOST = 200      # messages: of more, telling costs each session far more than what is shared here
_KEPT = 16      # changes: a crowd takes in the same ones within some milliseconds


class Alike:
    """New flags of some messages, for the sessions that are to hear of them.

    `places` are those of the last view that knew all the messages; `lines`, by how they are to be told, are for views where they
    have these places. A view looks whether it is one, since each has its own idea of what is gone.
    """

    __slots__ = ("flags", "lines", "mask", "modseqs", "places", "uids")

    def __init__(self, uids: array[int], flags: array[int], modseqs: array[int]) -> None:
        self.uids, self.flags, self.modseqs = tuple(uids), tuple(flags), tuple(modseqs)
        self.mask: int = reduce(or_, flags, 0)
        self.places: tuple[int, ...] = ()
        self.lines: dict[Hashable, list[bytes]] = {}

    def find(self, column: array[int]) -> bool:
        """Make `places` those in this column of UIDs; whether all of them are there."""
        places = self.places
        if places and places[-1] < len(column) and tuple(map(column.__getitem__, places)) == self.uids:
            return True
        places = tuple(map(bisect_left, repeat(column), self.uids))
        if places[-1] >= len(column) or tuple(map(column.__getitem__, places)) != self.uids:
            return False
        self.places, self.lines = places, {}
        return True


def alike(rows: Rows) -> Alike:
    """What is kept of these, or made of them: by what they hold, for a store may give each session its own."""
    return _made(rows.uids.tobytes(), rows.flags.tobytes(), rows.modseqs.tobytes())


@lru_cache(_KEPT)
def _made(uids: bytes, flags: bytes, modseqs: bytes) -> Alike:
    return Alike(array("I", uids), array("Q", flags), array("Q", modseqs))
