"""On which days messages were sent, by their Date fields: read from kept ENVELOPEs once, for SENTSINCE and its kin."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

from mailframe.mime.header import parse_date

UNKNOWN, UNDATED = -2, -1       # in place of a day: the message has to be read; it has no readable date
MESSAGES = 500_000              # whose days are kept by a server: 8 octets each

_START = re.compile(rb'\((?:NIL|"([^"\\]*)") ')
_USUAL = re.compile(
    rb'\("(?:[A-Z][a-z]{2}, )?(\d{1,2} [A-Z][a-z]{2} \d{4}) (?:[01]\d|2[0-4]):[0-5]\d:[0-5]\d [+-]\d{4}[" ]')


def day_in(envelope: bytes) -> int:
    """The day of an ENVELOPE's date in its own zone, as an ordinal; UNDATED, or UNKNOWN where it is not easily read."""
    usual = _USUAL.match(envelope)
    if usual is not None:
        return _day(usual[1])
    start = _START.match(envelope)
    return UNKNOWN if start is None else _day(start[1] or b"")


@lru_cache(maxsize=8_192)       # two decades of days; other forms come and go
def _day(date: bytes) -> int:
    moment = parse_date(date)
    return UNDATED if moment is None else moment[1]


class SentDays:
    """Of one mailbox: UIDs, ascending, and their days. A message's never changes."""

    def __init__(self) -> None:
        self._uids, self._days = array("I"), array("i")

    def __len__(self) -> int:
        return len(self._uids)

    def of(self, uids: array[int]) -> array[int]:
        """Of these (ascending), UNKNOWN where it is not kept."""
        start = bisect_left(self._uids, uids[0]) if uids else 0
        stop = start + len(uids)
        if self._uids[start:stop] == uids:
            return self._days[start:stop]
        return array("i", map(self._one, uids))

    def _one(self, uid: int) -> int:
        place = bisect_left(self._uids, uid)
        return self._days[place] if place < len(self._uids) and self._uids[place] == uid else UNKNOWN

    def learn(self, uids: Sequence[int], days: Sequence[int]) -> None:
        """`uids` ascend, and are not kept yet."""
        self._uids.extend(uids)
        self._days.extend(days)
        if len(uids) < len(self._uids) and self._uids[-len(uids) - 1] > self._uids[-len(uids)]:
            ordered = sorted(zip(self._uids, self._days))
            self._uids, self._days = array("I", [uid for uid, _ in ordered]), array("i", [day for _, day in ordered])


class KeptDays:
    """Of the mailboxes in which such a search was made last, by account and mailbox id, which is never used again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], SentDays] = OrderedDict()

    def of(self, account: str, mailbox: str) -> SentDays:
        found = self._kept.pop((account, mailbox), None) or SentDays()
        messages = len(found) + sum(map(len, self._kept.values()))
        while self._kept and messages > MESSAGES:
            messages -= len(self._kept.popitem(last=False)[1])
        self._kept[account, mailbox] = found
        return found
