"""URLAUTH (RFC 4467): URLs that let others fetch a piece of one's mail, signed by a key of the mailbox that can be changed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.model.refusal import NoSuchMailbox
from mailframe.pacing.breath import Breath

from .. import writer
from ..append.referring import BadUrl, Referred, here, ours, referred
from ..append.url import AuthorizedUrl, NotOfThisKind, parse_authorized
from ..append.urlfetching import UrlDatum, answer
from ..cursor import BadSyntax, Cursor
from ..registry import Bad, Command, Completion, Context, Effect, Extension, Selected, State

MAX_URLS = 1_000            # of one command
INTERNAL = b"INTERNAL"      # the one mechanism: how a token is made is this server's own affair (section 2.4)
ALGORITHM = b"01"           # in front of a token, so that another algorithm can follow: HMAC with SHA-256
_URLMECH = b"URLMECH " + INTERNAL


@dataclass(frozen=True, slots=True)
class Wanted:
    """One URL of URLFETCH, and what is wanted of it; nothing: its octets, as RFC 4467 has it."""

    text: bytes
    data: tuple[bytes, ...] = ()


def signed(key: bytes, rump: bytes) -> bytes:
    """The token of INTERNAL for a URL up to its verifier."""
    return ALGORITHM + hmac.new(key, rump, hashlib.sha256).hexdigest().encode("ascii")


# -- GENURLAUTH


def parse_generate(args: Cursor) -> list[tuple[bytes, bytes]]:
    """``genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism)`` (section 9)."""
    pairs = []
    while not args.at_end:
        args.space()
        text = args.astring()
        args.space()
        pairs.append((text, args.keyword()))
        if len(pairs) > MAX_URLS:
            raise BadSyntax("Too many URLs")
    if not pairs:
        raise BadSyntax("Missing argument")
    return pairs


async def generate(context: Context, pairs: list[tuple[bytes, bytes]]) -> None:
    """All URLs are looked at before the first is answered: a fault in one is BAD for the command (section 7)."""
    keys = _keys(context)
    breath = Breath(context.clock.seconds, context.breathe)
    rumps = []
    for text, mechanism in pairs:
        await breath.take()
        if mechanism != INTERNAL:
            raise Bad("Unknown URL mechanism")
        url = _rump(context, text)
        info = await found(context.account, url.mailbox)
        if info is None:
            raise Bad("No such mailbox in the URL")
        rumps.append((url, info.id))
    for url, mailbox_id in rumps:
        await breath.take()
        token = signed(await keys.made(context.account_name, mailbox_id), url.rump)
        context.out.untagged(b"GENURLAUTH " + writer.string(url.rump + b":internal:" + token))


def _rump(context: Context, text: bytes) -> AuthorizedUrl:
    try:
        url = parse_authorized(text)
    except NotOfThisKind as fault:
        raise Bad(str(fault)) from None
    if url.token:
        raise Bad("The URL is signed already")
    if not ours(context, url.server):
        raise Bad("The URL is another server's, or another user's")
    return url


# -- RESETKEY


def parse_reset(args: Cursor) -> str | None:
    """``resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]``; there is one mechanism, named or not."""
    if args.at_end:
        return None
    args.space()
    name = args.mailbox()
    while not args.at_end:
        args.space()
        args.atom()
    return name


async def reset(context: Context, name: str | None) -> Completion:
    keys = _keys(context)
    if name is None:
        await keys.reset(context.account_name, None)
        return Completion(b"All keys removed")
    info = await context.find(name)
    await keys.reset(context.account_name, info.id)
    return Completion(b"Key reset", _URLMECH)


# -- URLFETCH


def parse_fetch(args: Cursor) -> list[Wanted]:
    """``urlfetch = "URLFETCH" 1*(SP url-full)``, each perhaps ``"(" url-full *(SP url-fetch-param) ")"`` (RFC 5524 section 4)."""
    wanted = []
    while not args.at_end:
        args.space()
        wanted.append(_wanted(args))
        if len(wanted) > MAX_URLS:
            raise BadSyntax("Too many URLs")
    if not wanted:
        raise BadSyntax("Missing argument")
    return wanted


def _wanted(args: Cursor) -> Wanted:
    if not args.take(b"("):
        return Wanted(args.astring())
    text = args.astring()
    data: dict[bytes, None] = {}
    while not args.take(b")"):
        args.space()
        data[args.keyword()] = None
    return Wanted(text, tuple(data))


async def fetch(context: Context, wanted: list[Wanted]) -> None:
    """One untagged answer for each URL, in their order; no mailbox is selected by it, and nothing is marked as seen."""
    keys = _keys(context)
    asked = [_data(context, each.data) for each in wanted]
    breath = Breath(context.clock.seconds, context.breathe)
    for each, data in zip(wanted, asked):
        await answer(context, each.text, await _granted(context, keys, each.text, breath), data)
        await breath.take()


def _data(context: Context, names: Collection[bytes]) -> tuple[UrlDatum, ...]:
    """What is asked for, in the order of the registry: what the octets are comes before the octets."""
    known = context.registry.url_data
    if not known.keys() >= set(names):
        raise BadSyntax("Unknown parameter")
    return tuple(datum for name, datum in known.items() if name in names and isinstance(datum, UrlDatum))


async def _granted(context: Context, keys: IMailboxKeys, text: bytes, breath: Breath) -> Referred | None:
    """What the URL names, if this session may have it; why not is nobody's business (section 7)."""
    try:
        url = parse_authorized(text)
        mailbox = await _mailbox(context, keys, url) if _may_use(context, url) else None
        return None if mailbox is None else await referred(text, url.message, mailbox, breath)
    except (NotOfThisKind, NoSuchMailbox, BadUrl):
        return None


def _may_use(context: Context, url: AuthorizedUrl) -> bool:
    """Whether the URL is for this session, now (section 3): nobody is logged in anonymously here."""
    if url.mechanism != INTERNAL or not here(context, url.server):
        return False
    if url.expires is not None and context.clock.seconds() >= url.expires:
        return False
    if url.access == "submit":
        return context.account_name in context.settings.url_submit_users
    return url.access != "user" or url.user == context.account_name


async def _mailbox(context: Context, keys: IMailboxKeys, url: AuthorizedUrl) -> IMailbox | None:
    """The owner's mailbox, if the URL was signed by its key; compared in constant time (I9)."""
    account = context.account if url.owner == context.account_name else await keys.open_account(url.owner)
    info = None if account is None else await found(account, url.mailbox)
    key = None if info is None else await keys.key(url.owner, info.id)
    if account is None or info is None or key is None or not hmac.compare_digest(signed(key, url.rump), url.token):
        return None
    return await settled(account.open_mailbox(info.id))


def _keys(context: Context) -> IMailboxKeys:
    if context.keys is None:
        raise Bad("No keys for URLs are kept here")
    return context.keys


def _mechanisms(context: Context, _: Selected) -> Iterable[bytes]:
    """SELECT and EXAMINE say which there are (section 8)."""
    return (b"OK [%b] URLs can be made" % _URLMECH,)


EXTENSION = Extension(
    capability=b"URLAUTH", rfc="4467", announced=State.LOGGED_IN, when=lambda context: context.keys is not None,
    on_select=_mechanisms,
    commands=(
        Command(b"GENURLAUTH", State.LOGGED_IN, parse_generate, generate, Effect.MAY_EXPUNGE),
        Command(b"RESETKEY", State.LOGGED_IN, parse_reset, reset, Effect.MAY_EXPUNGE),
        Command(b"URLFETCH", State.LOGGED_IN, parse_fetch, fetch, Effect.MAY_EXPUNGE),
    ),
)
