"""What a SASL mechanism is to the protocols that carry it (RFC 4422), and the rules that all mechanisms share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MAX_OCTETS = 1024  # of a user name or password: far above what people use, and cheap to hash


class SaslError(Exception):
    """The peer sent what the mechanism cannot read; its text never holds what was sent (I9)."""


@dataclass(frozen=True, slots=True)
class PasswordProof:
    """A finished exchange: what is to be checked. `authzid` is "" unless the client wants to act as somebody."""

    authzid: str
    user: str
    password: str = field(repr=False)


class ServerExchange(Protocol):
    """One authentication in progress, the server's side."""

    def respond(self, response: bytes | None) -> bytes | PasswordProof:
        """Take the client's (decoded) response; None at first when it sent no initial one.

        Returns the next challenge, or the proof when the exchange is complete. Raises SaslError.
        """
        ...


class ClientExchange(Protocol):
    """One authentication in progress, the client's side."""

    def initial(self) -> bytes | None:
        """The initial response, or None where the server speaks first."""
        ...

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a (decoded) challenge. Raises SaslError when there is none to give."""
        ...


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A mechanism by its registered name. `plaintext`: it shows the password to who listens, so it wants TLS."""

    name: bytes
    plaintext: bool
    server: Callable[[], ServerExchange]
    client: Callable[[str, str], ClientExchange]  # (user, password)


def decode_base64(line: bytes) -> bytes:
    """What a client's line stands for; ``=`` is the empty initial response (RFC 4954 section 4). Raises SaslError.

    Strict (RFC 4648 section 3.3): no foreign characters, right padding, one line.
    """
    if line == b"=":
        return b""
    try:
        octets = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise SaslError("not base64") from None
    if base64.b64encode(octets) != line:
        raise SaslError("not base64 in its one form")
    return octets


def encode_base64(octets: bytes) -> bytes:
    """A challenge or response as it goes over the wire."""
    return base64.b64encode(octets)


def encode_initial(octets: bytes) -> bytes:
    """An initial response as it goes over the wire beside the command: the empty one is ``=``."""
    return base64.b64encode(octets) or b"="


def readable(octets: bytes, what: str) -> str:
    """A user name or password as text: UTF-8 without control characters (RFC 8265, RFC 4616 section 2), not endless.

    Raises SaslError, which says `what` it was and never its value.
    """
    if len(octets) > MAX_OCTETS:
        raise SaslError(f"{what} is too long")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError(f"{what} is not UTF-8") from None
    if not text.isprintable() and any(_is_control(character) for character in text):
        raise SaslError(f"{what} holds control characters")
    return text


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character < "\xa0"
