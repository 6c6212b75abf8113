"""RRVS (RFC 7293 section 3.1): only to who has had the address since then; judged in `pipeline.ownership`."""

from __future__ import annotations

import re

from ..extension import Extension, RcptDraft, Situation
from ..syntax import SyntaxFault, timestamp

_ACTION = re.compile(r";[CR]\Z", re.IGNORECASE)


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("RRVS",) if "RRVS" in situation.honours else ()


def parse(draft: RcptDraft, value: str | None) -> None:
    """``RRVS=date-time``, perhaps with ``;C`` or ``;R``: whether a next hop that knows nothing of it may have the message
    all the same. Nobody whom we give it to goes on without it: C is treated as R."""
    try:
        draft.valid_since = timestamp(_ACTION.sub("", value or ""))
    except ValueError:
        raise SyntaxFault("RRVS wants a date and time with its zone") from None


EXTENSION = Extension("RRVS", "7293", keywords=keywords, rcpt_parameters={"RRVS": parse})
