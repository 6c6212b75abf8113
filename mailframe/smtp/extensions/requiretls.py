"""REQUIRETLS (RFC 8689): the message goes only where TLS is sure, all the way; read here, kept by whoever hands it on."""

from __future__ import annotations

from ..extension import Extension
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault


def keywords(situation: Situation) -> tuple[str, ...]:
    """Under TLS alone (section 2): a promise made in the clear would be worth nothing."""
    return ("REQUIRETLS",) if situation.tls and "REQUIRETLS" in situation.honours else ()


def parse(draft: MailDraft, value: str | None) -> None:
    if value is not None:
        raise SyntaxFault("REQUIRETLS has no value")
    draft.require_tls = True


EXTENSION = Extension("REQUIRETLS", "8689", keywords=keywords, mail_parameters={"REQUIRETLS": parse})
