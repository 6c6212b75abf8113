"""LOGIN and AUTHENTICATE (RFC 3501 section 6.2), with the initial response of RFC 4959."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailframe.model.refusal import LoginFailed, Refusal
from mailframe.sasl.exchange import Mechanism, PasswordProof, SaslError, decode_base64, encode_base64, readable

from ..cursor import Cursor
from ..registry import Bad, Command, Completion, Context, Effect, Extension, State

_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,20}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+=*|=")


class PrivacyRequired(Refusal):
    public, imap_code = "Use TLS to log in", b"PRIVACYREQUIRED"


class UnknownMechanism(Refusal):
    public, imap_code = "No such authentication mechanism", b"CANNOT"


@dataclass(frozen=True, slots=True)
class LoginRequest:
    user: bytes
    password: bytes = field(repr=False)


def parse_login(args: Cursor) -> LoginRequest:
    """``login = "LOGIN" SP userid SP password``"""
    args.space()
    user = args.astring()
    args.space()
    password = args.astring()
    args.end()
    return LoginRequest(user, password)


async def login(context: Context, request: LoginRequest) -> Completion:
    if not context.may_log_in:
        raise PrivacyRequired
    try:
        user, password = readable(request.user, "user name"), readable(request.password, "password")
    except SaslError:
        user, password = "", ""         # refused as any wrong one is, and as late
    await context.log_in(user, password)
    return _logged_in(context)


def _logged_in(context: Context) -> Completion:
    return Completion(b"Logged in", context.capability_line())


@dataclass(frozen=True, slots=True)
class AuthenticateRequest:
    mechanism: bytes
    initial: bytes | None = field(repr=False)


def parse_authenticate(args: Cursor) -> AuthenticateRequest:
    """``authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`` (RFC 4959 section 3)."""
    args.space()
    mechanism = args.match(_MECHANISM, "Mechanism").group().upper()
    initial = None
    if not args.at_end:
        args.space()
        initial = args.match(_BASE64, "Base64").group()
    args.end()
    return AuthenticateRequest(mechanism, initial)


async def authenticate(context: Context, request: AuthenticateRequest) -> Completion:
    mechanism = context.mechanisms.get(request.mechanism)
    if mechanism is None:
        raise UnknownMechanism
    if mechanism.plaintext and not context.may_log_in:
        raise PrivacyRequired
    try:
        proof = await _exchange(context, mechanism, request.initial)
    except SaslError as error:
        raise Bad(f"Authentication: {error}") from None
    if proof.authzid not in ("", proof.user):
        raise LoginFailed("Acting as somebody else is not possible", imap_code=b"AUTHORIZATIONFAILED")
    await context.log_in(proof.user, proof.password)
    return _logged_in(context)


async def _exchange(context: Context, mechanism: Mechanism, initial: bytes | None) -> PasswordProof:
    """Challenges and responses until the mechanism has its proof. Raises SaslError, and Bad when the client gives up."""
    exchange = mechanism.server()
    answer = exchange.respond(None if initial is None else decode_base64(initial))
    while isinstance(answer, bytes):
        context.out.write(b"+ " + encode_base64(answer) + b"\r\n")
        line = await context.line()
        if line == b"*":
            raise Bad("Authentication cancelled")
        answer = exchange.respond(decode_base64(line))
    return answer


def _announced(context: Context) -> Iterable[bytes]:
    if not context.may_log_in:
        yield b"LOGINDISABLED"
    for mechanism in context.mechanisms.values():
        if context.may_log_in or not mechanism.plaintext:
            yield b"AUTH=" + mechanism.name


EXTENSION = Extension(
    capability=None, rfc="3501, 4959", announced=State.NOT_AUTHENTICATED, capabilities=_announced,
    commands=(
        Command(b"LOGIN", State.NOT_AUTHENTICATED, parse_login, login, Effect.NONE),
        Command(b"AUTHENTICATE", State.NOT_AUTHENTICATED, parse_authenticate, authenticate, Effect.NONE),
    ),
)
