"""SMTPUTF8 (RFC 6531): addresses and headers in UTF-8."""

from __future__ import annotations

from ..extension import Extension
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("SMTPUTF8",) if situation.settings.smtputf8 else ()


def parse(draft: MailDraft, value: str | None) -> None:
    if value is not None:
        raise SyntaxFault("SMTPUTF8 has no value")
    draft.smtputf8 = True


EXTENSION = Extension("SMTPUTF8", "6531", keywords=keywords, mail_parameters={"SMTPUTF8": parse})
