"""Words that mean some of an account's mailboxes (RFC 7377 section 2.2); pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.model.mailbox import SEPARATOR, MailboxInfo

from .cursor import BadSyntax, Cursor
from .names import Tree, parents

MAX_NAMES = 1_000           # in one command
_NAMED = (b"MAILBOXES", b"SUBTREE", b"SUBTREE-ONE")
_PLAIN = (b"SELECTED", b"PERSONAL", b"INBOXES", b"SUBSCRIBED")


@dataclass(frozen=True, slots=True)
class Scope:
    """One word, with the names that it is about."""

    word: bytes
    names: frozenset[str] = frozenset()

    def holds(self, info: MailboxInfo, tree: Tree) -> bool:
        """SELECTED is for the caller to see to. Mail may be delivered to any mailbox, so all are INBOXES."""
        match self.word:
            case b"MAILBOXES":
                return info.name in self.names
            case b"SUBTREE":
                return info.name in self.names or any(parent in self.names for parent in parents(info.name))
            case b"SUBTREE-ONE":
                return info.name in self.names or info.name.rpartition(SEPARATOR)[0] in self.names
            case b"SUBSCRIBED":
                return info.name in tree.subscribed
            case b"SELECTED":
                return False
            case _:
                return True


def read_scopes(args: Cursor) -> list[Scope]:
    """``filter-mailboxes *(SP filter-mailboxes)``, up to what is none. SELECTED-DELAYED is no place to search."""
    found: list[Scope] = []
    count = 0
    while True:
        word = args.keyword()
        names: Sequence[str] = ()
        if word in _NAMED:
            args.space()
            names = args.list_of(args.mailbox) if args.peek() == b"(" else [args.mailbox()]
        elif word not in _PLAIN:
            raise BadSyntax("Unknown mailboxes")
        count += 1 + len(names)
        if count > MAX_NAMES:
            raise BadSyntax("Too many mailboxes are named")
        found.append(Scope(word, frozenset(names)))
        if args.peek(2) in (b" (", b")") or not args.take(b" "):
            return found
