"""CAPA (RFC 2449), and the capabilities that are promises about all commands."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..machine import State
from ..reply import multiline, ok


async def capa(conversation: Conversation, _: bytes) -> bytes:
    return multiline(ok(b"Capability list follows"), conversation.capabilities())


EXTENSIONS = (
    Extension(rfc="2449", commands=(Command(b"CAPA", State.ANY, capa, bare=True),)),
    Extension(rfc="2449 section 6.4", capability=b"RESP-CODES"),
    Extension(rfc="3206", capability=b"AUTH-RESP-CODE"),
    Extension(rfc="2449 section 6.6", capability=b"PIPELINING"),
    Extension(rfc="2449 section 6.7", capability=b"EXPIRE NEVER"),
)
