"""CHUNKING (RFC 3030 section 2): a message in chunks of announced size, whose octets are never commands (I5)."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..incoming import AFTER_A_HOLE
from ..machine import ANY_TIME, ORDER, State, out_of_order
from ..reply import Reply
from ..situation import Situation
from ..syntax import SyntaxFault

_DIGITS = 20        # of a size, as of SIZE's (RFC 1870 section 3): who says more is not counting octets

_SYNTAX = Reply.of(501, "5.5.4", "Syntax: BDAT size [LAST]")
_LOST = Reply.of(421, "4.7.0", "Cannot tell where the chunk ends, closing").encode()
_NOT_HERE = Reply.of(502, "5.5.1", "BDAT is not available here")


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("CHUNKING",) if situation.settings.chunking else ()


def bdat(session: Conversation, args: bytes) -> None:
    """Whatever is wrong, the chunk's octets come, are dropped, and only then the reply (section 2).

    One chunk refused is a message with a hole: the transaction takes no more until RSET.
    """
    words = args.split(b" ")
    if not words[0].isdigit() or len(words[0]) > _DIGITS:
        session.complain(_SYNTAX)           # how much to drop is not known: what follows must not become commands
        session.say(_LOST)
        session.close()
        return
    last = words[1:] != [] and words[-1].upper() == b"LAST"
    refusal = _refusal(session, well_formed=len(words) == 1 or (len(words) == 2 and last))
    transaction, size = session.transaction, int(words[0])
    if transaction is not None:
        session.state = State.CHUNKS
        if refusal is None:
            transaction.begin_chunk(size)
        else:
            transaction.fail(SyntaxFault())
    session.read_chunk(size, last=last, refusal=refusal)


def _refusal(session: Conversation, *, well_formed: bool) -> Reply | None:
    if not session.settings.chunking:
        return _NOT_HERE
    if not well_formed:
        return _SYNTAX
    if session.transaction is not None and session.transaction.refusal is not None:
        return AFTER_A_HOLE
    return out_of_order(ORDER[b"BDAT"], session.state)


EXTENSION = Extension("CHUNKING", "3030", keywords=keywords, commands=(Command(b"BDAT", ANY_TIME, bdat),))
