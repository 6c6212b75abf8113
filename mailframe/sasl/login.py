"""LOGIN (draft-murchison-sasl-login): obsolete, and all that some mail programs speak (Outlook)."""

from __future__ import annotations

from .exchange import Mechanism, PasswordProof, SaslError, readable


class LoginServer:
    """Asks for the user name, then for the password; an initial response is the user name."""

    def __init__(self) -> None:
        self._user: str | None = None

    def respond(self, response: bytes | None) -> bytes | PasswordProof:
        if response is None:
            if self._user is not None:
                raise SaslError("LOGIN wants a password")
            return b"Username:"
        if self._user is None:
            self._user = readable(response, "user name")
            if not self._user:
                raise SaslError("LOGIN wants a user name")
            return b"Password:"
        password = readable(response, "password")
        if not password:
            raise SaslError("LOGIN wants a password")
        return PasswordProof("", self._user, password)


class LoginClient:
    """Answers the two questions in their order, whatever their words: servers differ in them."""

    def __init__(self, user: str, password: str) -> None:
        self._answers = [password.encode(), user.encode()]

    def initial(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if not self._answers:
            raise SaslError("LOGIN asks twice only")
        return self._answers.pop()


MECHANISM = Mechanism(b"LOGIN", True, LoginServer, LoginClient)
