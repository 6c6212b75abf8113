"""Annotations as commands speak of them (RFC 5464): entry names, which of them mean something here, and how they are told."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import IMetadata
from mailframe.model.mailbox import MailboxInfo

from . import writer
from .cursor import BadSyntax, Cursor
from .registry import Bad, Context

MAX_NAME_OCTETS = 1_000     # of an entry; those in use have fewer than 100
INFINITY = 1_000            # levels below an entry: more than a name has room for
_GATHERED = 65_536          # octets of values told in one response
_NAME = re.compile(rb"(?:/[^/*%\x00-\x1f\x7f-\xff]+)+")
_VENDOR_LEVELS = 4          # "/shared/vendor/<vendor-token>/<what>" (section 3.2)


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """An entry that means something here; others are kept as they come. `name` in lower case; one that ends with "/" stands for
    all below it. `of_server`: whether it is the server's, or each mailbox's (`info` is None for the server's).

    `value` gives what it is now, None for NIL; it is not kept then. `check` looks at what is to be set (None: removed), and
    raises Refusal. `put` sets it where it is not kept, and gives its value then; such an entry is set alone, for two things
    done are not all or none.
    """

    name: bytes
    of_server: bool = False
    value: Callable[[Context, MailboxInfo | None], bytes | None] | None = None
    check: Callable[[Context, str, bytes | None], None] | None = None
    put: Callable[[Context, MailboxInfo, bytes | None], Awaitable[bytes | None]] | None = None


def entry(args: Cursor, least: int = 2) -> str:
    """``entry``, as written. Raises BadSyntax unless it has `least` levels, and those that its beginning asks for (section 3.2)."""
    octets = args.astring()
    if len(octets) > MAX_NAME_OCTETS:
        raise BadSyntax("Entry name too long")
    levels = octets.lower().split(b"/")[1:]
    if not _NAME.fullmatch(octets) or levels[0] not in (b"private", b"shared"):
        raise BadSyntax("Not the name of an entry")
    if len(levels) < least or (least > 1 and levels[1] == b"vendor" and len(levels) < _VENDOR_LEVELS):
        raise BadSyntax("Entry name too short")
    return octets.decode("ascii")


def entries(args: Cursor, context: Context, least: int = 2) -> list[str]:
    """``entry / "(" entry *(SP entry) ")"``"""
    names = args.list_of(lambda: entry(args, least)) if args.peek() == b"(" else [entry(args, least)]
    limited(context, len(names))
    return names


def limited(context: Context, count: int) -> None:
    if count > context.settings.max_metadata_entries:
        raise BadSyntax("Too many entries")


def account_of(context: Context) -> IMetadata:
    if not IMetadata.providedBy(context.account):
        raise Bad("No annotations are kept here")
    account: IMetadata = context.account
    return account


def meant(context: Context, of_server: bool) -> list[MetadataEntry]:
    """The entries that mean something, of the server or of mailboxes; to be asked for once in a command."""
    table = context.registry.usable(context.registry.metadata_entries, context)
    return [known for known in table.values() if isinstance(known, MetadataEntry) and known.of_server is of_server]


def meaning(meanings: Iterable[MetadataEntry], name: str) -> MetadataEntry | None:
    """Of the entry `name`, in lower case."""
    octets = name.encode()
    for known in meanings:
        if octets == known.name or (known.name.endswith(b"/") and octets.startswith(known.name)):
            return known
    return None


async def read(context: Context, info: MailboxInfo | None, meanings: Iterable[MetadataEntry]) -> dict[str, bytes]:
    """All entries of the mailbox, None: of the server, by their names in lower case. Raises NoSuchMailbox."""
    kept: Mapping[str, bytes] = await settled(account_of(context).metadata(info.id if info else None, context.account_name))
    found = dict(kept)
    for known in meanings:
        if known.value is not None:
            value = known.value(context, info)
            found.pop(known.name.decode(), None)
            if value is not None:
                found[known.name.decode()] = value
    return found


async def take_along(context: Context, source: MailboxInfo, target: MailboxInfo) -> None:
    """To the mailbox that INBOX is renamed to; INBOX keeps them, too (section 4.1)."""
    if IMetadata.providedBy(context.account):
        account = account_of(context)
        kept: Mapping[str, bytes] = await settled(account.metadata(source.id, context.account_name))
        if kept:
            await settled(account.set_metadata(target.id, context.account_name, kept))


def chosen(known: Mapping[str, bytes], asked: Iterable[str], depth: int) -> dict[str, bytes | None]:
    """What is told of `asked`, by name as it was asked for: None where there is nothing, and nothing below it either."""
    found: dict[str, bytes | None] = {}
    ordered = sorted(known)
    for name in asked:
        own = name.lower()
        levels = own.count("/") + depth
        inside = ordered[bisect_left(ordered, own + "/"):bisect_left(ordered, own + "0")] if depth else []     # "0" follows "/"
        below = [each for each in inside if each.count("/") <= levels]
        if own in known or (not below and own.count("/") > 1):
            found.setdefault(name, known.get(own))
        for each in below:
            found.setdefault(each, known[each])
    return found


def responses(name: str | None, values: Mapping[str, bytes | None], utf8: bool) -> Iterator[bytes]:
    """METADATA responses with values (section 4.4.1), none of them much greater than need be."""
    head = b"METADATA " + _mailbox(name, utf8)
    gathered: list[bytes] = []
    size = 0
    for each, value in values.items():
        spelled = b"NIL" if value is None else writer.literal8(value) if b"\0" in value else writer.string(value)
        if gathered and size + len(spelled) > _GATHERED:
            yield b"%b (%b)" % (head, b" ".join(gathered))
            gathered, size = [], 0
        gathered.append(writer.astring(each.encode()) + b" " + spelled)
        size += len(spelled)
    if gathered:
        yield b"%b (%b)" % (head, b" ".join(gathered))


def changed(name: str | None, names: Iterable[str], utf8: bool) -> bytes:
    """A METADATA response without values (section 4.4.2): these were set or removed by others."""
    return b"METADATA %b %b" % (_mailbox(name, utf8), b" ".join(writer.astring(each.encode()) for each in names))


def _mailbox(name: str | None, utf8: bool) -> bytes:
    return b'""' if name is None else writer.mailbox(name, utf8)
