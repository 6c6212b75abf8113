"""The verbs around a transaction (RFC 5321 section 4.1.1): HELO, EHLO, NOOP, QUIT."""

from __future__ import annotations

from functools import lru_cache

from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply
from ..roles import SMTP_ROLES
from ..syntax import SyntaxFault, parse_hello

_OK = Reply.of(250, "2.0.0", "Ok").encode()
_BYE = Reply.of(221, "2.0.0", "Bye").encode()


async def helo(session: Conversation, args: bytes) -> None:
    await session.hello(parse_hello(args), extended=False)
    session.say(Reply.of(250, "", session.settings.hostname).encode())


async def ehlo(session: Conversation, args: bytes) -> None:
    await session.hello(parse_hello(args), extended=True)
    session.say(_announced(session.settings.hostname, *session.registry.keywords(session.situation)))


@lru_cache(maxsize=64)      # a few for each listener, with TLS and without; FUTURERELEASE's differs every second
def _announced(*lines: str) -> bytes:
    return Reply.of(250, "", *lines).encode()


def noop(session: Conversation, args: bytes) -> None:
    session.say(_OK)


def quit_(session: Conversation, args: bytes) -> None:
    if args:
        raise SyntaxFault("QUIT has no parameters")
    session.reset()
    session.say(_BYE)
    session.close()


EXTENSION = Extension("base", "5321", commands=tuple(
    Command(verb, ORDER[verb], run, words, roles=roles, idle=verb != b"QUIT") for verb, run, roles, words in (
        (b"HELO", helo, SMTP_ROLES, "HELO host: begin, without extensions"),
        (b"EHLO", ehlo, SMTP_ROLES, "EHLO host: begin; the answer lists the extensions"),
        (b"NOOP", noop, None, "NOOP [anything]: nothing but an answer"),
        (b"QUIT", quit_, None, "QUIT: end"),
    )
))
