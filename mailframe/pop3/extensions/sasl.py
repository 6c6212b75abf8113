"""AUTH (RFC 5034)."""

from __future__ import annotations

from mailframe.sasl.exchange import PasswordProof, SaslError, ServerExchange, decode_base64, encode_base64

from ..extension import Command, Conversation, Extension
from ..machine import State
from ..reply import err, multiline, ok

_MAX_ROUNDS = 8                       # far more than any mechanism needs


async def auth(conversation: Conversation, argument: bytes) -> bytes:
    """``AUTH mechanism [initial-response]``; alone, the list of mechanisms, which older clients ask for in this way."""
    name, _, initial = argument.partition(b" ")
    if not name:
        return multiline(ok(b"Mechanisms follow"), conversation.mechanisms)
    mechanism = conversation.mechanisms.get(name.upper())
    if mechanism is None:
        return err(b"No such authentication mechanism here")
    try:
        proof = await converse(conversation, mechanism.server(), decode_base64(initial) if initial else None)
    except SaslError as error:
        return err(b"Authentication failed: " + str(error).encode("ascii", "replace"))
    if proof is None:
        return err(b"Authentication cancelled")
    return await conversation.login(proof.user, proof.password, proof.authzid)


async def converse(conversation: Conversation, exchange: ServerExchange, response: bytes | None) -> PasswordProof | None:
    """Challenges and responses until there is a proof; None when the client gives up (``*``)."""
    for _ in range(_MAX_ROUNDS):
        answer = exchange.respond(response)
        if isinstance(answer, PasswordProof):
            return answer
        await conversation.write(b"+ " + encode_base64(answer) + b"\r\n")
        line = await conversation.read_line()
        if line == b"*":
            return None
        response = decode_base64(line)
    raise SaslError("too many rounds")


def capability(conversation: Conversation) -> bytes:
    return b" ".join((b"SASL", *conversation.mechanisms))


def offered(conversation: Conversation) -> bool:
    return bool(conversation.mechanisms)


EXTENSION = Extension(
    rfc="5034", capability=capability, offered=offered, commands=(Command(b"AUTH", State.BEFORE_LOGIN, auth),),
)
