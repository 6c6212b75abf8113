"""The verbs around a transaction (RFC 5321 section 4.1.1): HELO, EHLO, NOOP, QUIT."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..machine import ORDER, State
from ..reply import Reply
from ..syntax import parse_hello

_OK = Reply.of(250, "2.0.0", "Ok").encode()
_BYE = Reply.of(221, "2.0.0", "Bye").encode()


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


def quit_(session: Conversation, args: bytes) -> None:
    session.reset()
    session.say(_BYE)
    session.close()


EXTENSION = Extension("base", "5321", commands=tuple(
    Command(verb, ORDER[verb], run, words) for verb, run, words in (
        (b"HELO", helo, "HELO host: begin, without extensions"),
        (b"EHLO", ehlo, "EHLO host: begin; the answer lists the extensions"),
        (b"NOOP", noop, "NOOP [anything]: nothing but an answer"),
        (b"QUIT", quit_, "QUIT: end"),
    )
))
