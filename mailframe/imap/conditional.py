"""What commands share who deal in mod-sequences (RFC 7162 section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IModSequenced
from mailframe.model.mailbox import MailboxStatus, UidRanges

from .cursor import BadSyntax, Cursor
from .registry import Completion, Context
from .search.returning import partial_range
from .view import View

CONDSTORE = b"CONDSTORE"
QRESYNC = b"QRESYNC"


@dataclass(frozen=True, slots=True)
class Since:
    """The messages with this mod-sequence or a greater one (`mailframe.model.query.Numbers.given`)."""

    modseq: int

    def ranges(self, view: View) -> UidRanges:
        return view.since(self.modseq)


def is_on(context: Context) -> bool:
    """Whether the client has shown that it understands mod-sequences: it is told them with every change of flags."""
    return CONDSTORE in context.enabled


def turn_on(context: Context) -> None:
    """Some command with mod-sequences came (RFC 7162 section 3.1). Raises BadSyntax where the store keeps none."""
    if not context.provides(IModSequenced):
        raise BadSyntax("Mod-sequences are not kept here")
    context.enable(CONDSTORE)


async def expunge_completion(context: Context, name: bytes) -> Completion | None:
    """The end of a command that expunged, which says up to where the client then knows everything (RFC 7162 section 3.2.7).

    Asked before the session tells what is gone, so it never runs ahead of an expunge that was not told (I6)."""
    if QRESYNC not in context.enabled:
        return None
    status: MailboxStatus = await settled(context.selected.mailbox.status())
    return Completion(name + b" completed", b"HIGHESTMODSEQ %d" % status.highest_modseq)


@dataclass(frozen=True, slots=True)
class FetchModifiers:
    """What narrows a FETCH: messages changed since, which are gone as well, and a window into those (RFC 9394 section 3.3)."""

    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


def fetch_modifiers(args: Cursor) -> FetchModifiers:
    """``"(" fetch-modifier *(SP fetch-modifier) ")"`` in any order (RFC 4466, RFC 7162 section 7, RFC 9394 section 4)."""
    found: dict[bytes, Any] = {}

    def part() -> None:
        word = args.keyword()
        if word in found:
            raise BadSyntax("A modifier twice")
        if word == b"CHANGEDSINCE":
            args.space()
            found[word] = args.number64()
        elif word == b"PARTIAL":
            found[word] = partial_range(args)
        elif word == b"VANISHED":
            found[word] = True
        else:
            raise BadSyntax("Unknown modifier")

    args.list_of(part)
    if b"VANISHED" in found and b"CHANGEDSINCE" not in found:
        raise BadSyntax("VANISHED goes with CHANGEDSINCE")
    if b"PARTIAL" in found and not args.by_uid:
        raise BadSyntax("PARTIAL is for UID FETCH")
    return FetchModifiers(found.get(b"CHANGEDSINCE"), b"VANISHED" in found, found.get(b"PARTIAL"))


def modifier(args: Cursor, word: bytes) -> int:
    """``"(" word SP mod-sequence-value ")"``, the only modifier of its command."""
    args.expect(b"(")
    if args.keyword() != word:
        raise BadSyntax("Unknown modifier")
    args.space()
    value = args.number64()
    args.expect(b")")
    return value
