"""RRVS (RFC 7293 section 3.1): only to who has had the address since then; judged in `pipeline.ownership`."""

from __future__ import annotations

import re

from ..extension import Extension
from ..situation import RcptDraft, Situation
from ..syntax import SyntaxFault, timestamp

_VALUE = re.compile(r"([^.;]+)(?:;([CR]))?", re.IGNORECASE)        # section 3.1: without fractions of a second


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("RRVS",) if "RRVS" in situation.honours else ()


def parse(draft: RcptDraft, value: str | None) -> None:
    """``RRVS=date-time``, perhaps with ``;C`` (continue) or ``;R`` (reject): what to do where a next host knows nothing of it."""
    match = _VALUE.fullmatch(value or "")
    try:
        draft.valid_since = timestamp(match and match[1])
    except ValueError:
        raise SyntaxFault("RRVS wants a date and time with its zone, in whole seconds") from None
    draft.without_rrvs = ((match and match[2]) or "").upper()


EXTENSION = Extension("RRVS", "7293", keywords=keywords, rcpt_parameters={"RRVS": parse})
