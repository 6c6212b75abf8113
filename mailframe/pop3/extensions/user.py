"""USER and PASS (RFC 1939 section 7)."""

from __future__ import annotations

from mailframe.sasl.exchange import SaslError, readable

from ..extension import Command, Conversation, Extension
from ..machine import Event, State
from ..reply import err, ok

NOT_IN_THE_CLEAR = err(b"Use STLS first: no passwords in the clear")


async def user(conversation: Conversation, argument: bytes) -> bytes:
    """Any name is welcome: who exists is not told."""
    if not conversation.may_send_password:
        return NOT_IN_THE_CLEAR
    if not argument:
        return err(b"USER wants a name")
    conversation.named = argument
    conversation.machine.step(Event.USER)
    return ok(b"Now the password")


async def pass_(conversation: Conversation, argument: bytes) -> bytes:
    """The argument is the whole rest of the line, spaces too."""
    if not conversation.may_send_password:
        return NOT_IN_THE_CLEAR
    try:
        name, password = readable(conversation.named, "user name"), readable(argument, "password")
    except SaslError:
        return await conversation.refuse_login()
    return await conversation.login(name, password)


def offered(conversation: Conversation) -> bool:
    return conversation.may_send_password


EXTENSION = Extension(
    rfc="1939", capability=b"USER", offered=offered,
    commands=(Command(b"USER", State.BEFORE_LOGIN, user), Command(b"PASS", State.USER_GIVEN, pass_)),
)
