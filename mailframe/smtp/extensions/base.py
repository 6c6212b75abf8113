"""The verbs around a transaction (RFC 5321 section 4.1.1): HELO, EHLO, NOOP, VRFY, EXPN, HELP, QUIT."""

from __future__ import annotations

from mailframe.model.address import Address
from mailframe.model.refusal import UnknownRecipient

from ..extension import Command, Conversation, Extension
from ..machine import ORDER, State
from ..reply import Reply
from ..roles import SMTP_ROLES
from ..syntax import SyntaxFault, parse_hello
from .mail import LoginNeeded

_OK = Reply.of(250, "2.0.0", "Ok").encode()
_BYE = Reply.of(221, "2.0.0", "Bye").encode()
_CANNOT_SAY = Reply.of(252, "2.5.0", "Cannot verify, but will take a message and try").encode()
_NO_EXPN = Reply.of(502, "5.5.1", "EXPN is not available").encode()


async def helo(session: Conversation, args: bytes) -> None:
    session.hello(parse_hello(args), extended=False)
    await _greeted(session)
    session.say(Reply.of(250, "", session.settings.hostname).encode())


async def ehlo(session: Conversation, args: bytes) -> None:
    session.hello(parse_hello(args), extended=True)
    await _greeted(session)
    session.say(Reply.of(250, "", session.settings.hostname, *session.registry.keywords(session.situation)).encode())


async def _greeted(session: Conversation) -> None:
    """Only a client that was not refused is a greeted one."""
    await session.ask("greeted", session.reception.greeted, session.peer)
    session.state = State.GREETED


def noop(session: Conversation, args: bytes) -> None:
    session.say(_OK)


async def vrfy(session: Conversation, args: bytes) -> None:
    """True and False are told; None, and what is no whole address, get 252 (RFC 5321 section 3.5.3)."""
    if not args:
        raise SyntaxFault("Syntax: VRFY address")
    try:
        address = Address.parse(args.decode("ascii").removesuffix(" SMTPUTF8").strip("<>"))
    except ValueError:
        session.say(_CANNOT_SAY)
        return
    if session.settings.wants_login and session.situation.account is None:
        raise LoginNeeded
    known = await session.ask("verify", session.reception.verify, address)
    if known is False:
        raise UnknownRecipient
    session.say(Reply.of(250, "2.1.5", f"<{address}>").encode() if known else _CANNOT_SAY)


def expn(session: Conversation, args: bytes) -> None:
    session.say(_NO_EXPN)


def help_(session: Conversation, args: bytes) -> None:
    verbs = " ".join(verb for verb in session.registry.verbs(session.situation) if verb != "EXPN")    # what is not available
    session.say(Reply.of(214, "2.0.0", "Commands:", verbs, "See RFC 5321").encode())


def quit_(session: Conversation, args: bytes) -> None:
    session.reset()
    session.say(_BYE)
    session.close()


EXTENSION = Extension("base", "5321", commands=tuple(
    Command(verb, ORDER[verb], run, roles=roles) for verb, run, roles in (
        (b"HELO", helo, SMTP_ROLES), (b"EHLO", ehlo, SMTP_ROLES), (b"NOOP", noop, None), (b"VRFY", vrfy, None),
        (b"EXPN", expn, None), (b"HELP", help_, None), (b"QUIT", quit_, None),
    )
))
