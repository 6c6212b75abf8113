"""Words that mean some of an account's mailboxes (RFC 5465 section 6, RFC 7377 section 2.2); pure."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from mailframe.model.mailbox import SEPARATOR

from ..cursor import BadSyntax, Cursor
from ..names import parents

MAX_NAMES = 1_000           # in one command
_NAMED = (b"MAILBOXES", b"SUBTREE", b"SUBTREE-ONE")
_PLAIN = (b"SELECTED", b"PERSONAL", b"INBOXES", b"SUBSCRIBED")


@dataclass(frozen=True, slots=True)
class Scope:
    """One word, with the names that it is about."""

    word: bytes
    names: frozenset[str] = frozenset()

    def holds(self, name: str, subscribed: Container[str], foreign: Sequence[str]) -> bool:
        """SELECTED is for the caller to see to. Mail may be delivered to any mailbox of the user, so all PERSONAL ones are
        INBOXES; names that begin with one of `foreign` (`model.namespaces`) are not among them."""
        match self.word:
            case b"MAILBOXES":
                return name in self.names
            case b"SUBTREE":
                return name in self.names or any(parent in self.names for parent in parents(name))
            case b"SUBTREE-ONE":
                return name in self.names or name.rpartition(SEPARATOR)[0] in self.names
            case b"SUBSCRIBED":
                return name in subscribed
            case b"SELECTED":
                return False
            case _:
                return not any((name + SEPARATOR).startswith(prefix) for prefix in foreign)


def read_scope(args: Cursor, plain: Sequence[bytes]) -> Scope:
    """One word, of these or with names."""
    word = args.keyword()
    names: Sequence[str] = ()
    if word in _NAMED:
        args.space()
        names = args.list_of(args.mailbox) if args.peek() == b"(" else [args.mailbox()]
    elif word not in plain:
        raise BadSyntax("Unknown mailboxes")
    if len(names) > MAX_NAMES:
        raise BadSyntax("Too many mailboxes are named")
    return Scope(word, frozenset(names))


def read_scopes(args: Cursor) -> list[Scope]:
    """``filter-mailboxes *(SP filter-mailboxes)``, up to what is none. SELECTED-DELAYED is no place to search."""
    found: list[Scope] = []
    count = 0
    while True:
        scope = read_scope(args, _PLAIN)
        count += 1 + len(scope.names)
        if count > MAX_NAMES:
            raise BadSyntax("Too many mailboxes are named")
        found.append(scope)
        if args.peek(2) in (b" (", b")") or not args.take(b" "):
            return found
