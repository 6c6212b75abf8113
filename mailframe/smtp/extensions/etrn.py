"""ETRN (RFC 1985): a host that was away asks for what waits for it; it is sent as all mail is, to where DNS says."""

from __future__ import annotations

from mailframe.interfaces.delivery import IStartsQueue
from mailframe.model.domain import canonical_domain
from mailframe.model.refusal import Refusal

from ..extension import Command, Conversation, Extension
from ..machine import BETWEEN_MAILS
from ..reply import Reply
from ..situation import Situation
from ..syntax import SyntaxFault
from .mail import LoginNeeded

_NONE = Reply.of(502, "5.5.1", "ETRN is not available")


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("ETRN",) if _possible(situation) and (situation.account is not None or not situation.settings.wants_login) else ()


def _possible(situation: Situation) -> bool:
    """Never for submission (RFC 6409 section 7)."""
    return situation.settings.etrn and situation.settings.role != "submission" and "ETRN" in situation.honours


async def run(session: Conversation, args: bytes) -> None:
    """``ETRN domain``, ``ETRN @domain`` for the hosts below it, too; queues with other names (``#``) there are none (section 5)."""
    reception = session.reception
    if not _possible(session.situation) or not IStartsQueue.providedBy(reception):
        session.complain(_NONE)
        return
    if session.settings.wants_login and session.situation.account is None:
        raise LoginNeeded
    domain, below = node(args)
    started = await session.ask("start_queue", reception.start_queue, session.peer, domain, below)
    text = f"{started} pending messages for {domain} started" if started else f"No messages waiting for {domain}"
    session.say(Reply.of(253 if started else 251, "2.0.0", text).encode())


def node(args: bytes) -> tuple[str, bool]:
    """(the canonical domain, whether those below it are meant as well). Raises SyntaxFault, and 458 for a queue's name."""
    try:
        text = args.decode("utf-8")
        if text.startswith("#"):
            raise Refusal("There are no queues with names", smtp=(458, "4.5.0"))
        return canonical_domain(text.removeprefix("@")), text.startswith("@")
    except ValueError:
        raise SyntaxFault("Syntax: ETRN domain") from None


EXTENSION = Extension(
    "ETRN", "1985", keywords=keywords,
    commands=(
        Command(b"ETRN", BETWEEN_MAILS, run, "ETRN domain: try now what waits for it; @domain: for its hosts, too", idle=True),),
)
