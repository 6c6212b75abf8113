"""STARTTLS (RFC 3207): once, between transactions, and with nothing after it in the clear (I5)."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply
from ..situation import Situation
from ..syntax import SyntaxFault

_ACTIVE = Reply.of(503, "5.5.1", "TLS is active already")
_NONE = Reply.of(502, "5.5.1", "TLS is not available")


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("STARTTLS",) if situation.tls_available and not situation.tls else ()


def run(session: Conversation, args: bytes) -> None:
    if args:
        raise SyntaxFault("STARTTLS has no parameters")
    if session.situation.tls:
        session.complain(_ACTIVE)
    elif not session.situation.tls_available:
        session.complain(_NONE)
    else:
        session.start_tls()


EXTENSION = Extension("STARTTLS", "3207", keywords=keywords, commands=(
    Command(b"STARTTLS", ORDER[b"STARTTLS"], run, "STARTTLS: encrypt from now on"),
))
