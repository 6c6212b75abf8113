"""PLAIN (RFC 4616): authorisation identity, user and password in one message."""

from __future__ import annotations

from .exchange import Mechanism, PasswordProof, SaslError, readable


class PlainServer:
    """``message = [authzid] NUL authcid NUL passwd``."""

    def respond(self, response: bytes | None) -> bytes | PasswordProof:
        if response is None:
            return b""
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise SaslError("PLAIN wants three parts")
        authzid, user, password = (readable(part, what) for part, what in zip(parts, _PARTS))
        if not user or not password:
            raise SaslError("PLAIN wants a user name and a password")
        return PasswordProof(authzid, user, password)


class PlainClient:
    """Says everything at once, in the initial response or to an empty challenge."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password

    def initial(self) -> bytes:
        if "\0" in self._user or "\0" in self._password:
            raise SaslError("PLAIN cannot carry NUL")
        return f"\0{self._user}\0{self._password}".encode()

    def respond(self, challenge: bytes) -> bytes:
        if challenge:
            raise SaslError("PLAIN has no such challenge")
        return self.initial()


_PARTS = ("authorisation identity", "user name", "password")
MECHANISM = Mechanism(b"PLAIN", True, PlainServer, PlainClient)
