"""VRFY and EXPN (RFC 5321 section 3.5, RFC 6531 section 3.7.4.2): who is somebody, and whom does an alias reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailframe.interfaces.delivery import IExpands
from mailframe.model.address import Address
from mailframe.model.refusal import UnknownRecipient
from mailframe.model.verified import Verified

from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply
from ..syntax import NeedsSmtpUtf8, SyntaxFault
from .mail import LoginNeeded

_CANNOT_SAY = Reply.of(252, "2.5.0", "Cannot verify, but will take a message and try").encode()
_CANNOT_EXPAND = Reply.of(252, "2.5.0", "Cannot expand, but will take a message and try").encode()
_NEEDS_UTF8 = Reply.of(252, "2.6.8", "The answer needs SMTPUTF8").encode()
_NO_EXPN = Reply.of(502, "5.5.1", "EXPN is not available").encode()
_PARAMETER = " SMTPUTF8"
_NOWHERE = "@invalid"


async def vrfy(session: Conversation, args: bytes) -> None:
    """250 and 251 for who is known, 550 and 551 for who is not or not here, 252 where we do not say (section 3.5.3)."""
    asked, utf8 = _asked(session, args, "VRFY")
    found = await session.ask("verify", session.reception.verify, asked) if asked is not None else None
    if found is False:
        raise UnknownRecipient
    if isinstance(found, Verified):
        code, text = (250, f"<{found.address}>") if found.forwarded is None else (
            251, f"User not local; will forward to <{found.forwarded}>")
        session.say(_told(code, [text], utf8))
    else:
        session.say(_told(250, [f"<{asked}>"], utf8) if found else _CANNOT_SAY)


async def expn(session: Conversation, args: bytes) -> None:
    """One line for each address (section 3.5.2); 252 where it is switched off (section 7.3), 502 where there is no such thing."""
    if not IExpands.providedBy(session.reception):
        session.say(_NO_EXPN)
        return
    asked, utf8 = _asked(session, args, "EXPN")
    found = await session.ask("expand", session.reception.expand, asked) if asked is not None else None
    session.say(_CANNOT_EXPAND if not found else _told(250, [f"<{each}>" for each in found], utf8))


def _asked(session: Conversation, args: bytes, verb: str) -> tuple[Address | None, bool]:
    """(the address, without a domain if that was left out; None: it is none; whether the client reads UTF-8). Raises Refusal."""
    if session.settings.wants_login and session.situation.account is None:
        raise LoginNeeded
    try:
        text = args.decode("utf-8")
    except UnicodeDecodeError:
        raise SyntaxFault("Not valid UTF-8") from None
    utf8 = session.settings.smtputf8 and text.upper().endswith(_PARAMETER)
    if utf8:
        text = text[:-len(_PARAMETER)].rstrip(" ")
    if not text:
        raise SyntaxFault(f"Syntax: {verb} address")
    if not text.isascii() and not utf8:
        raise NeedsSmtpUtf8
    text = text.removeprefix("<").removesuffix(">")
    try:
        whole = Address.parse(text if "@" in text else text + _NOWHERE)
    except ValueError:
        return None, utf8
    return (whole if "@" in text else replace(whole, domain="")), utf8


def _told(code: int, lines: Sequence[str], utf8: bool) -> bytes:
    """UTF-8 only for who has asked for it (RFC 6531 section 3.7.4.2)."""
    reply = Reply.of(code, "2.1.5", *lines)
    return reply.encode(utf8=utf8) if utf8 or all(line.isascii() for line in lines) else _NEEDS_UTF8


#: Announced only where they are answered; where they are not, each still gets its 252.
VRFY = Extension(
    "VRFY", "5321", keywords=lambda situation: ("VRFY",) if "VRFY" in situation.honours else (),
    commands=(Command(b"VRFY", ORDER[b"VRFY"], vrfy, "VRFY address: whether mail for it is taken here", idle=True),),
)
EXPN = Extension(
    "EXPN", "5321", keywords=lambda situation: ("EXPN",) if "EXPN" in situation.honours else (),
    commands=(Command(b"EXPN", ORDER[b"EXPN"], expn, "EXPN alias: the addresses that mail for it goes to", idle=True),),
)
