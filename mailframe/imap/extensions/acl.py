"""ACL (RFC 4314): who may do what with a mailbox, told and changed by whoever has the right "a" on it.

The old rights "c" and "d" of RFC 2086 stand for "kx" and "te" (section 2.1.1). "-name" denies, whatever else is granted;
"anyone" and "authenticated" are everybody who can log in. The owner has all rights always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twisted.logger import Logger

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.sharing import IAcl
from mailframe.model.refusal import NoSuchMailbox
from mailframe.model.rights import EVERY, EXTRA, NEGATIVE, RightsChange, told
from mailframe.sasl.saslprep import saslprep

from .. import permission, writer
from ..commands.select import parse_mailbox
from ..cursor import BadSyntax, Cursor
from ..registry import Command, Context, Extension, State

_log = Logger()
MAX_IDENTIFIER_OCTETS = 256     # an account's name and "-"


@dataclass(frozen=True, slots=True)
class AclRequest:
    """`change` is of SETACL and DELETEACL."""

    name: str
    identifier: str
    change: RightsChange = RightsChange("", "")     # which leaves nothing


def _identifier(args: Cursor) -> str:
    """An astring in UTF-8, prepared (section 3)."""
    octets = args.astring()
    try:
        text = octets.decode("utf-8")
        sign = NEGATIVE if text.startswith(NEGATIVE) else ""
        name = saslprep(text[len(sign):])
    except ValueError:
        raise BadSyntax("That is nobody's name") from None
    if not name or len(octets) > MAX_IDENTIFIER_OCTETS:
        raise BadSyntax("That is nobody's name")
    return sign + name


def parse_identifier(args: Cursor) -> AclRequest:
    """``SP mailbox SP identifier``"""
    args.space()
    name = args.mailbox()
    args.space()
    identifier = _identifier(args)
    args.end()
    return AclRequest(name, identifier)


def parse_change(args: Cursor) -> AclRequest:
    """``SP mailbox SP identifier SP mod-rights``; an unknown right is BAD (section 3.1)."""
    args.space()
    name = args.mailbox()
    args.space()
    identifier = _identifier(args)
    args.space()
    try:
        change = RightsChange.parse(args.astring().decode("ascii"))
    except ValueError:
        raise BadSyntax("Unknown right: there are l r s w i p k x t e a, and c and d of old") from None
    args.end()
    return AclRequest(name, identifier, change)


async def set_acl(context: Context, request: AclRequest) -> None:
    """Also DELETEACL, which leaves no right."""
    account = _account(context)
    info = await context.find(request.name, "a")
    await settled(account.set_acl(info.id, request.identifier, request.change))
    _log.info("rights of {identifier!r} on {name!r} of {owner} changed by {user}", identifier=request.identifier, name=info.name,
              owner=info.owner or context.account_name, user=context.account_name)


async def get_acl(context: Context, name: str) -> None:
    account = _account(context)
    info = await context.find(name, "a")
    entries: Mapping[str, str] = await settled(account.acl(info.id))
    words = [word for identifier, rights in entries.items() for word in (_astring(context, identifier), told(rights).encode())]
    context.out.untagged(b" ".join([b"ACL", writer.mailbox(info.name, context.utf8), *words]))


async def list_rights(context: Context, request: AclRequest) -> None:
    account = _account(context)
    info = await context.find(request.name, "a")
    always, sets = await settled(account.grantable(info.id, request.identifier))
    virtual: Sequence[str] = "cd" if sets else ()
    words = [writer.astring(told(always).encode()), *(each.encode() for each in (*sets, *virtual))]
    context.out.untagged(b" ".join([
        b"LISTRIGHTS", writer.mailbox(info.name, context.utf8), _astring(context, request.identifier), *words]))


async def my_rights(context: Context, name: str) -> None:
    """With any right that lets him do something with the mailbox as a whole (section 4)."""
    _account(context)
    info = await context.find(name, "")
    rights = EVERY if info.rights is None else info.rights
    if set(rights).isdisjoint(permission.ANY):
        raise NoSuchMailbox
    context.out.untagged(rights_line(info.name, info.rights, context))


def rights_line(name: str, rights: str | None, context: Context) -> bytes:
    """``MYRIGHTS mailbox rights``"""
    return b"MYRIGHTS %b %b" % (writer.mailbox(name, context.utf8), told(EVERY if rights is None else rights).encode())


def _astring(context: Context, text: str) -> bytes:
    """Octets beyond ASCII are quoted only where the client reads UTF-8 so (RFC 6855)."""
    octets = text.encode("utf-8")
    return writer.quoted(octets) if context.utf8 and not octets.isascii() else writer.astring(octets)


def _account(context: Context) -> IAcl:
    if not IAcl.providedBy(context.account):
        raise BadSyntax("Mailboxes are not shared here")
    account: IAcl = context.account
    return account


EXTENSION = Extension(
    capability=b"ACL RIGHTS=" + EXTRA.encode(), rfc="4314", needs=(IAcl,), announced=State.LOGGED_IN,
    commands=(
        Command(b"SETACL", State.LOGGED_IN, parse_change, set_acl),
        Command(b"DELETEACL", State.LOGGED_IN, parse_identifier, set_acl),
        Command(b"GETACL", State.LOGGED_IN, parse_mailbox, get_acl),
        Command(b"LISTRIGHTS", State.LOGGED_IN, parse_identifier, list_rights),
        Command(b"MYRIGHTS", State.LOGGED_IN, parse_mailbox, my_rights),
    ),
)
