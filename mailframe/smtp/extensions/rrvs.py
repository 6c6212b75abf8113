"""RRVS (RFC 7293 section 3.1): only to who has had the address since then; judged in `pipeline.ownership`."""

from __future__ import annotations

import re
from datetime import datetime

from ..extension import Extension, RcptDraft, Situation
from ..syntax import SyntaxFault

# RFC 3339 section 5.6, whose seconds may have a fraction and be 60.
_VALUE = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)(?:;[CRcr])?", re.ASCII)


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("RRVS",) if "RRVS" in situation.honours else ()


def parse(draft: RcptDraft, value: str | None) -> None:
    """``RRVS=date-time``, perhaps with ``;C`` or ``;R``: whether a next hop that knows nothing of it may have the message
    all the same. Nobody whom we give it to goes on without it: C is treated as R."""
    match = _VALUE.fullmatch(value or "")
    try:
        if match is None:
            raise ValueError
        day, time, seconds, zone = match.groups()
        moment = datetime.fromisoformat(f"{day}T{time}:00{zone.upper()}").timestamp()
        if int(seconds) > 60:
            raise ValueError
    except (ValueError, OverflowError):
        raise SyntaxFault("RRVS wants a date and time with its zone") from None
    draft.valid_since = moment + int(seconds)


EXTENSION = Extension("RRVS", "7293", keywords=keywords, rcpt_parameters={"RRVS": parse})
