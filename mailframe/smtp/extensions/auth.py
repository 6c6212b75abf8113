"""AUTH (RFC 4954): SASL mechanisms make credentials, the portal judges them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal

from mailframe.interfaces.auth import IMailUser
from mailframe.model.client import Client
from mailframe.model.refusal import LoginFailed, Refusal
from mailframe.sasl.exchange import PasswordProof, SaslError, ServerExchange, decode_base64, encode_base64

from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault, decode_xtext

_NONE = Reply.of(502, "5.5.1", "Authentication is not available")
_TWICE = Reply.of(503, "5.5.1", "Already authenticated")
_WHICH = Reply.of(501, "5.5.4", "Syntax: AUTH mechanism")
_UNKNOWN = Reply.of(504, "5.5.4", "Unrecognized authentication mechanism")
_ENCRYPT = Reply.of(538, "5.7.11", "Encryption required for this mechanism").encode()
_CANCELLED = Reply.of(501, "5.7.0", "Authentication cancelled").encode()
_DONE = Reply.of(235, "2.7.0", "Authentication successful").encode()
_TEMPORARY = Reply.of(454, "4.7.0", "Temporary authentication failure").encode()
_ENOUGH = Reply.of(421, "4.7.0", "Too many failed logins").encode()


def keywords(situation: Situation) -> tuple[str, ...]:
    """``AUTH PLAIN LOGIN``: what may be used here and now; still told after a login, for the parameter of MAIL."""
    if not situation.login_available:
        return ()
    names = [name.decode() for name, found in situation.mechanisms.items() if situation.plaintext_allowed or not found.plaintext]
    return (" ".join(["AUTH", *names]),) if names else ()


def parameter(draft: MailDraft, value: str | None) -> None:
    """``MAIL ... AUTH=`` (section 5): read, and not trusted: it counts as ``AUTH=<>``."""
    if value is None:
        raise SyntaxFault("AUTH wants an address or <>")
    decode_xtext(value)


async def run(session: Conversation, args: bytes) -> None:
    name, _, initial = args.partition(b" ")
    situation = session.situation
    mechanism = situation.mechanisms.get(name.upper())
    if not situation.login_available:
        session.complain(_NONE)
    elif situation.account is not None:
        session.complain(_TWICE)
    elif mechanism is None:
        session.complain(_UNKNOWN if name else _WHICH)
    elif mechanism.plaintext and not situation.plaintext_allowed:
        session.say(_ENCRYPT)
    else:
        await _Login(session, mechanism.server()).take(initial.strip(b" ") or None)


class _Login:
    """One exchange, from AUTH to its last reply."""

    def __init__(self, session: Conversation, exchange: ServerExchange) -> None:
        self._session = session
        self._exchange = exchange

    async def take(self, line: bytes | None) -> None:
        """The client's next line, None when it sent no initial response."""
        if line == b"*":
            self._session.say(_CANCELLED)
            return
        try:
            answer = self._exchange.respond(None if line is None else decode_base64(line))
        except SaslError as error:
            raise SyntaxFault("Cannot read the authentication response", smtp=(501, "5.5.2"), detail=str(error)) from None
        if isinstance(answer, PasswordProof):
            await self._check(answer)
        else:
            self._session.say(b"334 " + encode_base64(answer) + b"\r\n")
            self._session.expect(self.take)

    async def _check(self, proof: PasswordProof) -> None:
        session = self._session
        assert session.portal is not None, "AUTH is taken only with a portal"
        try:
            account, logout = await session.ask("login", login, session.portal, proof, Client(session.peer.ip, "smtp"))
        except LoginFailed as refusal:
            failures = session.login_failed(proof.user)
            await session.pause(session.settings.auth_failure_delay_s)
            session.say(Reply.from_refusal(refusal).encode())
            if failures >= session.settings.max_auth_failures:
                session.say(_ENOUGH)
                session.close()
        except Refusal as refusal:
            session.say(_TEMPORARY if refusal.temporary else Reply.from_refusal(refusal).encode())
        else:
            session.logged_in(account, logout)
            session.say(_DONE)


async def login(portal: Portal, proof: PasswordProof, client: Client) -> tuple[str, Callable[[], Any]]:
    """(the account's name, what ends the login). Raises LoginFailed, also to who would act as somebody else."""
    credentials = UsernamePassword(proof.user.encode(), proof.password.encode())
    try:
        _, avatar, logout = cast("tuple[Any, IMailUser, Callable[[], Any]]", await portal.login(credentials, client, IMailUser))
    except UnauthorizedLogin:
        raise LoginFailed from None
    if proof.authzid not in ("", proof.user, avatar.name):
        logout()
        raise LoginFailed(detail="authorisation identity differs")
    return avatar.name, logout


EXTENSION = Extension(
    "AUTH", "4954", keywords=keywords,
    mail_parameters={"AUTH": parameter},
    commands=(Command(b"AUTH", ORDER[b"AUTH"], run, "AUTH mechanism [initial response]: log in", secret=True, idle=True),),
)
