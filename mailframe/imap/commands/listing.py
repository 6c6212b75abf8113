"""LIST, as RFC 5258 extends it, with special uses (RFC 6154) and STATUS (RFC 5819); and LSUB (RFC 3501 section 6.3.9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxList
from mailframe.model.refusal import NoSuchMailbox

from .. import names, writer
from ..cursor import BadSyntax, Cursor
from ..names import Pattern, Tree
from ..registry import Command, Context, Extension, State
from .status import StatusItem, known_items, status_line

SELECTS = frozenset((b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"))
RETURNS = frozenset((b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE"))
MAX_PATTERNS = 100      # in one command: a client may ask for each folder by name
_BREATHE_NAMES = 500    # a few milliseconds of matching


@dataclass(frozen=True, slots=True)
class ListRequest:
    reference: str
    patterns: tuple[str, ...]
    selects: frozenset[bytes] = frozenset()
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    extended: bool = False


def parse_list(args: Cursor) -> ListRequest:
    """``list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`` (RFC 5258 section 6)."""
    args.space()
    selects: frozenset[bytes] = frozenset()
    extended = args.peek() == b"("
    if extended:
        selects = _selects(args)
        args.space()
    reference = args.list_mailbox()
    args.space()
    if args.peek() == b"(":
        extended = True
        patterns = tuple(args.list_of(args.list_mailbox))
        if len(patterns) > MAX_PATTERNS:
            raise BadSyntax("Too many patterns")
    else:
        patterns = (args.list_mailbox(),)
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    if not args.at_end:
        extended = True
        returns, status = _returns(args)
    args.end()
    return ListRequest(reference, patterns, selects, returns, status, extended)


def _selects(args: Cursor) -> frozenset[bytes]:
    found = frozenset(args.list_of(args.keyword, empty=True))
    if found - SELECTS:
        raise BadSyntax("Unknown LIST selection option")
    if b"RECURSIVEMATCH" in found and not found & {b"SUBSCRIBED", b"SPECIAL-USE"}:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")     # RFC 5258 section 3.1
    return found


def _returns(args: Cursor) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
    args.space()
    if args.keyword() != b"RETURN":
        raise BadSyntax("RETURN expected")
    args.space()
    status: list[bytes] = []

    def option() -> bytes:
        word = args.keyword()
        if word == b"STATUS":
            args.space()
            status.extend(args.list_of(args.keyword))
        elif word not in RETURNS:
            raise BadSyntax("Unknown LIST return option")
        return word

    found = frozenset(args.list_of(option, empty=True))
    return found, tuple(status)


async def run_list(context: Context, request: ListRequest) -> None:
    items = known_items(context, request.status)
    if not request.extended and request.patterns == ("",):
        context.out.untagged(b'LIST (\\Noselect) "/" ""')       # only the separator is asked for (RFC 3501 section 6.3.8)
        return
    known = await _known(context)
    await _breathe(context, known)
    lister = Lister(context, Tree(known), request)
    patterns = [Pattern(request.reference + text) for text in request.patterns]
    await _breathe(context, known)
    candidates = lister.candidates()
    for count, name in enumerate(candidates, 1):
        if any(pattern.matches(name) for pattern in patterns):
            line = lister.line(name)
            if line is not None:
                context.out.untagged(line)
                await _write_status(context, lister.tree, name, items)
        if not count % _BREATHE_NAMES:
            await context.breathe()
            await context.drained()


async def _known(context: Context) -> MailboxList:
    known: MailboxList = await settled(context.account.mailboxes())
    if context.watcher is not None:
        await context.watcher.listing(context, known)
    return known


async def _breathe(context: Context, known: MailboxList) -> None:
    """Between two steps over a list of thousands: each costs some milliseconds (I2)."""
    if len(known.mailboxes) + len(known.subscribed) > _BREATHE_NAMES:
        await context.breathe()


async def _write_status(context: Context, tree: Tree, name: str, items: list[StatusItem]) -> None:
    """A mailbox that cannot be selected has no STATUS (RFC 5819 section 2)."""
    info = tree.mailboxes.get(name)
    if items and info is not None:
        try:
            context.out.untagged(await status_line(context, info, items))
        except NoSuchMailbox:
            return


class Lister:
    """One LIST at work: which names come in question, and what is said of each."""

    def __init__(self, context: Context, tree: Tree, request: ListRequest) -> None:
        self.tree = tree
        self._utf8 = context.utf8
        self._request = request
        self._chosen = self._choose()
        self._above: dict[str, list[bytes]] = {}        # names with chosen ones below them, by which criterion
        if b"RECURSIVEMATCH" in request.selects:
            for name in self._chosen:
                for parent in names.parents(name):
                    self._above.setdefault(parent, [])
            self._criteria = b" ".join(quoted_words(request.selects & {b"SUBSCRIBED", b"SPECIAL-USE"}))

    def _choose(self) -> set[str]:
        """The names that meet all selection options."""
        chosen = set(self.tree.mailboxes) | self.tree.with_children
        if b"SUBSCRIBED" in self._request.selects:
            chosen = set(self.tree.subscribed)
        if b"SPECIAL-USE" in self._request.selects:
            chosen &= {name for name, info in self.tree.mailboxes.items() if info.special_use}
        return chosen

    def candidates(self) -> list[str]:
        return names.in_order(self._chosen | self._above.keys())

    def line(self, name: str) -> bytes | None:
        line = b'LIST %b "/" %b' % (writer.parenthesized(self._attributes(name)), writer.mailbox(name, self._utf8))
        if name in self._above:
            line += b' ("CHILDINFO" (' + self._criteria + b"))"
        return line

    def _attributes(self, name: str) -> list[bytes]:
        """Always accurate, also when not asked for (RFC 5258 section 3.3)."""
        tree, request = self.tree, self._request
        found = [b"\\HasChildren" if name in tree.with_children else b"\\HasNoChildren"]
        info = tree.mailboxes.get(name)
        if info is None:
            found.append(b"\\NonExistent" if request.extended else b"\\Noselect")
        elif info.special_use:
            found.append(info.special_use.encode("ascii", "replace"))
        if name in tree.subscribed and b"SUBSCRIBED" in request.selects | request.returns:
            found.append(b"\\Subscribed")
        return found


def quoted_words(words: Iterable[bytes]) -> list[bytes]:
    return [writer.quoted(word) for word in sorted(words, reverse=True)]


@dataclass(frozen=True, slots=True)
class LsubRequest:
    reference: str
    pattern: str


def parse_lsub(args: Cursor) -> LsubRequest:
    args.space()
    reference = args.list_mailbox()
    args.space()
    pattern = args.list_mailbox()
    args.end()
    return LsubRequest(reference, pattern)


async def run_lsub(context: Context, request: LsubRequest) -> None:
    """Subscribed names; with "%" also the parents of those that lie deeper, as \\Noselect (RFC 3501 section 6.3.9)."""
    known = await _known(context)
    pattern = Pattern(request.reference + request.pattern)
    implied = names.all_parents(known.subscribed) if "%" in request.pattern else set()
    await _breathe(context, known)
    for count, name in enumerate(names.in_order(known.subscribed | implied), 1):
        if not count % _BREATHE_NAMES:
            await context.breathe()
            await context.drained()
        if pattern.matches(name):
            attributes = b"" if name in known.subscribed else b"\\Noselect"
            context.out.untagged(b'LSUB (%b) "/" %b' % (attributes, writer.mailbox(name, context.utf8)))


EXTENSION = Extension(
    capability=None, rfc="3501, 5258, 5819, 6154",
    commands=(
        Command(b"LIST", State.LOGGED_IN, parse_list, run_list),
        Command(b"LSUB", State.LOGGED_IN, parse_lsub, run_lsub),
    ),
)
