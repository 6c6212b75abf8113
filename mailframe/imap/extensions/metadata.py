"""METADATA and METADATA-SERVER (RFC 5464): annotations of mailboxes and of the server."""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import PRIVATE, IMetadata
from mailframe.model.mailbox import MailboxInfo
from mailframe.model.refusal import Forbidden

from ..annotations import INFINITY, MetadataEntry, account_of, chosen, entries, entry, limited, meaning, meant, read, responses
from ..cursor import BadSyntax, Cursor
from ..news.annotationwatch import BOTH, MAILBOX_CHANGE, SERVER, SERVER_CHANGE, Watch
from ..news.wishes import Event
from ..registry import Command, Completion, Context, Extension, State

ADMIN = "/shared/admin"


@dataclass(frozen=True, slots=True)
class Request:
    """What follows is read by `get` and `put`, which know the session's limits."""

    rest: Cursor


def parse(args: Cursor) -> Request:
    args.space()
    return Request(args)


@dataclass(slots=True)
class Options:
    """Of GETMETADATA (section 4.2)."""

    depth: int = 0
    max_size: int | None = None

    def read(self, args: Cursor) -> None:
        """``"(" option *(SP option) ")"``"""
        def option() -> None:
            word = args.keyword()
            args.space()
            if word == b"MAXSIZE":
                self.max_size = args.number()
            elif word == b"DEPTH":
                found = _DEPTHS.get(args.keyword())
                if found is None:
                    raise BadSyntax("DEPTH is 0, 1 or infinity")
                self.depth = found
            else:
                raise BadSyntax("Unknown GETMETADATA option")

        args.list_of(option)


_DEPTHS = {b"0": 0, b"1": 1, b"INFINITY": INFINITY}


async def get(context: Context, request: Request) -> Completion | None:
    """``[SP options] SP mailbox [SP options] SP entries``: by section 5 options come first, in section 4.2's examples second."""
    args, options = request.rest, Options()
    if args.peek() == b"(":
        options.read(args)
        args.space()
    name = args.mailbox()
    args.space()
    if args.peek() == b"(" and args.peek(2) not in (b"(/", b'("', b"({", b"(~"):
        options.read(args)
        args.space()
    asked = entries(args, context, 1 if options.depth else 2)
    args.end()
    info = await _find(context, name)
    values = chosen(await read(context, info, meant(context, info is None)), asked, options.depth)
    long = [len(value) for value in values.values() if value is not None and _is_long(value, options)]
    told = {each: value for each, value in values.items() if value is None or not _is_long(value, options)}
    for line in responses(info.name if info else None, told, context.utf8):
        context.out.untagged(line)
        if context.out.full:
            await context.drained()
    return Completion(code=b"METADATA LONGENTRIES %d" % max(long)) if long else None


def _is_long(value: bytes, options: Options) -> bool:
    return options.max_size is not None and len(value) > options.max_size


async def _find(context: Context, name: str) -> MailboxInfo | None:
    """None: the server. Raises NoSuchMailbox. Which other right is needed the account knows (section 3.3)."""
    return await context.find(name, "l") if name else None


async def put(context: Context, request: Request) -> None:
    """``SP mailbox SP "(" entry SP value *(SP entry SP value) ")"`` (section 4.3)."""
    args = request.rest
    name = args.mailbox()
    args.space()
    pairs: dict[str, bytes | None] = {}

    def pair() -> None:
        key = entry(args).lower()
        args.space()
        pairs[key] = args.nstring()

    limited(context, len(args.list_of(pair)))
    args.end()
    info = await _find(context, name)
    meanings = meant(context, info is None)
    for key, value in pairs.items():
        _check(context, info, key, value, meaning(meanings, key))
    for key, value in pairs.items():
        known = meaning(meanings, key)
        if info is not None and known is not None and known.put is not None:
            if len(pairs) > 1:
                raise Forbidden(f"Set {key} in a command of its own")
            watch_of(context).known(info.id, key, await known.put(context, info, value))
            return
    await _keep(context, info, pairs)


def _check(context: Context, info: MailboxInfo | None, key: str, value: bytes | None, known: MetadataEntry | None) -> None:
    """Raises Refusal: what all users of the server see is set by its administrators alone (section 3.3)."""
    if info is None and not key.startswith(PRIVATE) and context.account_name not in context.settings.admins:
        raise Forbidden("Only administrators set this", imap_code=b"NOPERM")
    if known is None:
        return
    if known.value is not None and (known.put is None or info is None):
        raise Forbidden("This entry is read-only")
    if known.check is not None:
        known.check(context, key, value)


async def _keep(context: Context, info: MailboxInfo | None, pairs: dict[str, bytes | None]) -> None:
    mailbox_id = info.id if info else None
    with watch_of(context).setting(mailbox_id, frozenset(pairs)):
        await settled(account_of(context).set_metadata(mailbox_id, context.account_name, pairs))


def watch_of(context: Context) -> Watch:
    """The session's own, which tells nothing until the client has enabled it, or asks for it by NOTIFY."""
    watch = context.extra.get("metadata")
    if not isinstance(watch, Watch):
        watch = context.extra["metadata"] = Watch(context)
    return watch


async def _begin(context: Context) -> None:
    await watch_of(context).begin()


def _pending(context: Context) -> bool:
    return watch_of(context).pending


def _admin(context: Context, _: MailboxInfo | None) -> bytes | None:
    return context.settings.contact.encode() or None


EXTENSION = Extension(
    capability=BOTH + b" " + SERVER, rfc="5464", needs=(IMetadata,), announced=State.LOGGED_IN,
    commands=(
        Command(b"GETMETADATA", State.LOGGED_IN, parse, get),
        Command(b"SETMETADATA", State.LOGGED_IN, parse, put),
    ),
    enables=(BOTH, SERVER), on_enable=_begin,
    events=(Event(MAILBOX_CHANGE, b"MailboxMetadataChange", _begin, _pending),
            Event(SERVER_CHANGE, b"ServerMetadataChange", _begin, _pending)),
    metadata_entries=(MetadataEntry(ADMIN.encode(), of_server=True, value=_admin),),
)
