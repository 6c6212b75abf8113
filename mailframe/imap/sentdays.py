"""The day a message was sent, from its stored ENVELOPE: what SENTSINCE asks of ten thousand at once."""

from __future__ import annotations

import re
from functools import lru_cache

from mailframe.mime.header import parse_date

UNKNOWN = -1            # only the header can tell
_NONE = 0               # before the first day of the calendar

#: A date as nearly all programs write it: all of the string, so that nothing in it could make the header's parser think otherwise.
_PLAIN = re.compile(
    rb'\("(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), {1,2})?'
    rb"([0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}) "
    rb'(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] [+-](?:0[0-9]|1[0-4])[0-5][0-9]"')


def sent_day(envelope: bytes) -> int:
    """Its ordinal (`datetime.date.toordinal`), in the date's own zone (RFC 3501 section 6.4.4); or UNKNOWN."""
    found = _PLAIN.match(envelope)
    return UNKNOWN if found is None else _ordinal(found[1])


@lru_cache(8_192)
def _ordinal(day: bytes) -> int:
    moment = parse_date(day + b" 12:00:00 +0000")
    return _NONE if moment is None else moment[1]
