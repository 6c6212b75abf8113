"""LIST, as RFC 5258 extends it, with an open table of what to RETURN; and LSUB (RFC 3501 section 6.3.9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxInfo, MailboxList
from mailframe.model.refusal import NoPermission, NoSuchMailbox
from mailframe.model.rights import has

from .. import names, writer
from ..cursor import BadSyntax, Cursor
from ..names import Pattern, Tree
from ..registry import Command, Context, Extension, State

SELECTS = frozenset((b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"))
MAX_PATTERNS = 100      # in one command: a client may ask for each folder by name
_BREATHE_NAMES = 500    # a few milliseconds of matching
_BREATHE_TOLD = 100     # the same of what more is told of mailboxes


#: Gives the untagged line about one mailbox that follows its LIST line, None for nothing. Raises NoSuchMailbox, for nothing.
Teller = Callable[[MailboxInfo], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class ListReturn:
    """A word of RETURN. `read` takes what follows the word, beginning with the space before its first argument.

    `teller` is awaited once for a LIST, with what `read` gave and before anything is told: it may raise BadSyntax or
    Refusal. Without one the word asks for attributes, which are there anyway (RFC 5258 section 3.3), but for SUBSCRIBED.
    """

    name: bytes
    read: Callable[[Cursor], Any] = lambda cursor: None
    teller: Callable[[Context, Any], Awaitable[Teller]] | None = None


@dataclass(frozen=True, slots=True)
class ListRequest:
    """`rest` is what follows the patterns; `run_list` reads it, which knows the session's table, into `returns`."""

    reference: str
    patterns: tuple[str, ...]
    selects: frozenset[bytes] = frozenset()
    returns: Mapping[bytes, Any] = field(default_factory=dict)
    extended: bool = False
    rest: Cursor | None = None


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
    if args.at_end:
        return ListRequest(reference, patterns, selects, extended=extended)
    return ListRequest(reference, patterns, selects, extended=True, rest=args)


def _selects(args: Cursor) -> frozenset[bytes]:
    found = frozenset(args.list_of(args.keyword, empty=True))
    if found - SELECTS:
        raise BadSyntax("Unknown LIST selection option")
    if b"RECURSIVEMATCH" in found and not found & {b"SUBSCRIBED", b"SPECIAL-USE"}:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")     # RFC 5258 section 3.1
    return found


def read_returns(context: Context, args: Cursor) -> dict[bytes, Any]:
    """``SP "RETURN" SP "(" [option *(SP option)] ")"``: the words with their arguments; the last of a word's counts."""
    args.space()
    if args.keyword() != b"RETURN":
        raise BadSyntax("RETURN expected")
    args.space()
    known = context.registry.usable(context.registry.list_returns, context)
    found: dict[bytes, Any] = {}

    def option() -> None:
        word = args.keyword()
        entry = known.get(word)
        if not isinstance(entry, ListReturn):
            raise BadSyntax("Unknown LIST return option")
        found[word] = entry.read(args)

    args.list_of(option, empty=True)
    args.end()
    return found


async def _tellers(context: Context, returns: Mapping[bytes, Any]) -> list[Teller]:
    """In the order in which they were asked for."""
    entries = ((context.registry.list_returns[word], argument) for word, argument in returns.items())
    return [
        await entry.teller(context, argument) for entry, argument in entries
        if isinstance(entry, ListReturn) and entry.teller is not None
    ]


async def run_list(context: Context, request: ListRequest) -> None:
    if request.rest is not None:
        request = replace(request, returns=read_returns(context, request.rest), rest=None)
    tellers = await _tellers(context, request.returns)
    if not request.extended and request.patterns == ("",):
        context.out.untagged(b'LIST (\\Noselect) "/" ""')       # only the separator is asked for (RFC 3501 section 6.3.8)
        return
    known = await _known(context)
    await _breathe(context, known)
    lister = Lister(context, Tree(known), request)
    patterns = [Pattern(request.reference + text) for text in request.patterns]
    await _breathe(context, known)
    candidates = lister.candidates()
    step = _BREATHE_TOLD if tellers else _BREATHE_NAMES
    for count, name in enumerate(candidates, 1):
        if any(pattern.matches(name) for pattern in patterns):
            line = lister.line(name)
            if line is not None:
                context.out.untagged(line)
                await _write_more(context, lister.tree.mailboxes.get(name), tellers)
                if context.out.full:
                    await context.drained()
        if not count % step:
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


async def _write_more(context: Context, info: MailboxInfo | None, tellers: Iterable[Teller]) -> None:
    """What cannot be selected has a LIST line alone (RFC 5819 section 2)."""
    if info is None:
        return
    for teller in tellers:
        try:
            line = await teller(info)
        except (NoSuchMailbox, NoPermission):
            continue
        if line is not None:
            context.out.untagged(line)


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
        elif not has(info.rights, "r"):
            found.append(b"\\Noselect")
        elif info.special_use:
            found.append(info.special_use.encode("ascii", "replace"))
        if name in tree.subscribed and (b"SUBSCRIBED" in request.selects or b"SUBSCRIBED" in request.returns):
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
    capability=None, rfc="3501, 5258",
    commands=(
        Command(b"LIST", State.LOGGED_IN, parse_list, run_list),
        Command(b"LSUB", State.LOGGED_IN, parse_lsub, run_lsub),
    ),
)
