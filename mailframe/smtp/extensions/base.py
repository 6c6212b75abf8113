"""The verbs around a transaction (RFC 5321 section 4.1.1): HELO, EHLO, NOOP, QUIT."""

from __future__ import annotations

from functools import lru_cache

from ..extension import Command, Conversation, Extension
from ..machine import ORDER, State
from ..reply import Reply
from ..roles import SMTP_ROLES
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
    session.say(_announced(session.settings.hostname, *session.registry.keywords(session.situation)))


@lru_cache(maxsize=64)      # a few for each listener, with TLS and without; FUTURERELEASE's differs every second
def _announced(*lines: str) -> bytes:
    return Reply.of(250, "", *lines).encode()


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
    Command(verb, ORDER[verb], run, words, roles=roles) for verb, run, roles, words in (
        (b"HELO", helo, SMTP_ROLES, "HELO host: begin, without extensions"),
        (b"EHLO", ehlo, SMTP_ROLES, "EHLO host: begin; the answer lists the extensions"),
        (b"NOOP", noop, None, "NOOP [anything]: nothing but an answer"),
        (b"QUIT", quit_, None, "QUIT: end"),
    )
))
