"""CATENATE (RFC 4469): a message of APPEND or REPLACE made of literals and of pieces of messages that are here already."""

from __future__ import annotations

from mailframe.model.refusal import LimitReached
from mailframe.pacing.breath import Breath
from mailframe.staging.intake import Intake

from ..append.appending import AppendData, Incoming
from ..append.referring import refer
from ..append.url import MAX_URL_OCTETS
from ..cursor import BadSyntax
from ..registry import Extension, State
from . import utf8_accept

MAX_PARTS = 1_000           # of one message: more than a mail program can compose, less than a minute of reading


async def take(incoming: Incoming, intake: Intake) -> None:
    """``"CATENATE" SP "(" cat-part *(SP cat-part) ")"`` (section 5), behind the word and its space."""
    breath = Breath(incoming.context.clock.seconds, incoming.context.breathe)
    incoming.cursor.expect(b"(")
    for _ in range(MAX_PARTS):
        await _part(incoming, intake, breath)
        if incoming.cursor.take(b")"):
            return
        incoming.cursor.space()
        await breath.take()
    raise LimitReached("Too many parts in one message")


async def _part(incoming: Incoming, intake: Intake, breath: Breath) -> None:
    """``cat-part = "TEXT" SP literal / "URL" SP astring``, or with UTF-8 headers as RFC 6855 section 4 has it."""
    word = incoming.cursor.keyword()
    incoming.cursor.space()
    if word == b"TEXT":
        await incoming.pour(intake)
    elif word == b"URL":
        await _copied(incoming, intake, breath)
    elif word == b"UTF8":
        await utf8_accept.take(incoming, intake)
    else:
        raise BadSyntax("TEXT or URL expected")


async def _copied(incoming: Incoming, intake: Intake, breath: Breath) -> None:
    text = await incoming.astring(MAX_URL_OCTETS)
    if not text:
        raise BadSyntax("A URL expected")
    found = await refer(incoming.context, text, breath)
    await incoming.copy(found.size, found.pieces(), intake)


EXTENSION = Extension(
    capability=b"CATENATE", rfc="4469", announced=State.LOGGED_IN, append_data=(AppendData(b"CATENATE", take),),
)
