"""The Date field: read as two numbers, for SENTBEFORE, SENTON, SENTSINCE; and written (RFC 5322 sections 3.3 and 4.3)."""

from __future__ import annotations

import re
from datetime import date
from email.utils import formatdate
from functools import lru_cache

from .tokens import strip_comments

_DATE = re.compile(
    rb"(?:^|[\s,])(\d{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]*\.?[\s,-]+(\d{2,4})"
    rb"(?:[\s,]+(\d{1,2})\s*[:.]\s*(\d{2})(?:\s*[:.]\s*(\d{2}))?(?:\.\d+)?\s*([+-]\d{4}|[A-Za-z]{1,5})?)?",
)
_ASCTIME = re.compile(rb"([A-Za-z]{3})[A-Za-z]*\s+(\d{1,2})\s+(\d{1,2}):(\d{2}):(\d{2})\s+(?:([+-]\d{4}|[A-Z]{1,5})\s+)?(\d{4})")
_ISO = re.compile(rb"\s*(\d{4})-(\d{2})-(\d{2})[T\s]+(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?")
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_ZONES = {b"EDT": -4, b"EST": -5, b"CDT": -5, b"CST": -6, b"MDT": -6, b"MST": -7, b"PDT": -7, b"PST": -8}
_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST = 200


def parse_date(value: bytes) -> tuple[int, int] | None:
    """(seconds since the epoch, proleptic Gregorian ordinal of the day in the date's own zone), or None.

    The ordinal is `datetime.date.toordinal`'s: SENTON disregards time and zone (RFC 3501 section 6.4.4). A missing
    time is midnight, an unknown zone is taken as UTC (RFC 5322 section 4.3).
    """
    value = strip_comments(value[:_LONGEST])
    match = _DATE.search(value)
    if match is not None:
        day, month, year, hour, minute, second, zone = match.groups()
        return _moment(_year(year), _MONTHS.get(month.lower(), 0), day, hour, minute, second, zone)
    match = _ASCTIME.search(value)
    if match is not None:
        month, day, hour, minute, second, zone, year = match.groups()
        return _moment(int(year), _MONTHS.get(month.lower(), 0), day, hour, minute, second, zone)
    match = _ISO.match(value)
    if match is not None:
        year, number, day, hour, minute, second, zone = match.groups()
        return _moment(int(year), int(number), day, hour, minute, second, (zone or b"").replace(b":", b""))
    return None


def _year(digits: bytes) -> int:
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _moment(
    year: int, month: int, day: bytes, hour: bytes | None, minute: bytes | None, second: bytes | None, zone: bytes | None,
) -> tuple[int, int] | None:
    try:
        ordinal = date(year, month, int(day)).toordinal()
    except ValueError:
        return None
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 24 or minutes > 59 or seconds > 60:
        return None
    return (ordinal - _EPOCH) * 86_400 + hours * 3_600 + minutes * 60 + seconds - _offset(zone or b""), ordinal


def _offset(zone: bytes) -> int:
    if zone[:1] in (b"+", b"-"):
        offset = int(zone[1:3]) * 3_600 + int(zone[3:5]) * 60
        return -offset if zone[:1] == b"-" else offset
    return _ZONES.get(zone.upper(), 0) * 3_600


def mail_date(seconds: float) -> str:
    """Seconds since the epoch as a Date: field has them (RFC 5322 section 3.3), in UTC: "+0000", since "-0000" would say
    that the zone is not known."""
    return _mail_date(int(seconds))


@lru_cache(maxsize=8)       # thousands of messages may come in one second
def _mail_date(seconds: int) -> str:
    return formatdate(seconds)[:-5] + "+0000"
