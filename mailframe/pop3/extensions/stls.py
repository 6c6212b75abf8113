"""STLS (RFC 2595 section 4)."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..machine import Event, State
from ..reply import err, ok


async def stls(conversation: Conversation, _: bytes) -> bytes:
    if conversation.secure:
        return err(b"TLS is in use already")
    if not conversation.can_start_tls:
        return err(b"TLS is not available")
    conversation.start_tls(ok(b"Begin TLS negotiation"))
    conversation.machine.step(Event.TLS)
    return b""


def offered(conversation: Conversation) -> bool:
    return conversation.can_start_tls and conversation.machine.state in State.BEFORE_LOGIN


EXTENSION = Extension(
    rfc="2595", capability=b"STLS", offered=offered, commands=(Command(b"STLS", State.BEFORE_LOGIN, stls, bare=True),),
)
