"""DELIVERBY (RFC 2852): the time by which a message is to be delivered; read here, kept by the queue and the relay."""

from __future__ import annotations

import re

from mailframe.model.envelope import DeliverBy
from mailframe.model.refusal import Refusal

from ..extension import Extension
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault
from .futurerelease import agree

_BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)", re.IGNORECASE | re.ASCII)


def keywords(situation: Situation) -> tuple[str, ...]:
    """``DELIVERBY``, and with it the least time that by-mode R may ask for, if there is one (section 2)."""
    if not situation.settings.deliver_by or "DELIVERBY" not in situation.honours:
        return ()
    least = situation.settings.min_deliver_by_s
    return (f"DELIVERBY {least}" if least else "DELIVERBY",)


def by(draft: MailDraft, value: str | None) -> None:
    """``BY=seconds;mode[T]``, counted from now. Only by-mode N may be late already (section 4)."""
    match = _BY.fullmatch(value or "")
    if match is None:
        raise SyntaxFault("BY wants seconds;N or seconds;R, perhaps with T behind")
    seconds, notify = int(match[1]), match[2] in "Nn"
    if not notify and seconds <= 0:
        raise SyntaxFault("BY with R wants a time that is to come")
    least = draft.situation.settings.min_deliver_by_s
    if not notify and seconds < least:
        raise Refusal(f"BY with R may not be less than {least} seconds", smtp=(555, "5.5.4"))
    draft.deliver_by = DeliverBy(draft.now + seconds, notify, bool(match[3]))
    agree(draft)


EXTENSION = Extension("DELIVERBY", "2852", keywords=keywords, mail_parameters={"BY": by})
