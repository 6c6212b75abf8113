"""XFORWARD (Postfix's XFORWARD_README): a filter that we trust says where a message came from, for the log alone."""

from __future__ import annotations

from mailframe.model.networks import within

from ..attributes import Reader, one_of, plain, port, read_attributes
from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply
from ..situation import Situation

_READERS: dict[str, Reader] = {     # names and addresses need not be those of the Internet
    "NAME": plain, "ADDR": plain, "PORT": port, "PROTO": plain, "HELO": plain, "IDENT": plain, "SOURCE": one_of("LOCAL", "REMOTE"),
}
_KEYWORD = " ".join(["XFORWARD", *_READERS])
_OK = Reply.of(250, "2.0.0", "Ok").encode()
_NOT_YOU = Reply.of(550, "5.7.0", "Insufficient authorization")


def keywords(situation: Situation) -> tuple[str, ...]:
    """To who may use it alone."""
    return (_KEYWORD,) if within(situation.origin, situation.settings.xforward_from) else ()


def run(session: Conversation, args: bytes) -> None:
    """What is said now is added to what was said before, until the next message is over; [UNAVAILABLE] takes it back."""
    situation = session.situation
    if not within(situation.origin, situation.settings.xforward_from):
        session.complain(_NOT_YOU)
        return
    said = {f"forwarded_{name.lower()}": value for name, value in read_attributes(args, _READERS).items()}
    session.remarks = {name: value for name, value in {**session.remarks, **said}.items() if value}
    session.say(_OK)


EXTENSION = Extension(
    "XFORWARD", "Postfix's XFORWARD_README", keywords=keywords,
    commands=(Command(b"XFORWARD", ORDER[b"XFORWARD"], run, idle=True),))
