"""What changed in an account's list of mailboxes, name by name: what NOTIFY tells of it (RFC 5465 sections 5.4 and 5.5). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailframe.model.mailbox import MailboxInfo, MailboxList

from .names import Tree, in_order
from .wishes import MAILBOX_NAME, SUBSCRIPTION_CHANGE, Wishes


@dataclass(frozen=True, slots=True)
class Listed:
    """The list as a client has been told of it."""

    by_id: dict[str, MailboxInfo]
    tree: Tree

    @classmethod
    def of(cls, known: MailboxList) -> Listed:
        return cls({info.id: info for info in known.mailboxes}, Tree(known))


def changes(before: Listed, after: Listed, wishes: Wishes) -> dict[str, str | None]:
    """The names to be told, in the order in which they are, with the name that each had before if it was renamed."""
    either = before.tree.subscribed | after.tree.subscribed

    def wanted(event: bytes) -> Callable[[str], bool]:
        return lambda name: event in wishes.of(name, either)

    told: dict[str, str | None] = {}
    if wishes.anywhere(MAILBOX_NAME):
        gone, renamed, others = _names(before, after)
        wants = wanted(MAILBOX_NAME)
        told.update((name, None) for name in in_order(filter(wants, gone)))
        told.update((new, old) for new, old in sorted(renamed.items()) if wants(new) or wants(old))
        told.update((name, None) for name in in_order(filter(wants, others)) if name not in told)
    if wishes.anywhere(SUBSCRIPTION_CHANGE):
        differs = before.tree.subscribed ^ after.tree.subscribed
        told.update((name, None) for name in in_order(filter(wanted(SUBSCRIPTION_CHANGE), differs)) if name not in told)
    return told


def _names(before: Listed, after: Listed) -> tuple[set[str], dict[str, str], set[str]]:
    """Names that are gone; new names, and what they were; names that are new, or whose children came or went.

    A new name that another mailbox had before (or has left to another) is no renaming to a client that follows names, line by
    line: such names are told one by one, as they are now."""
    was, now = before.tree.mailboxes.keys(), after.tree.mailboxes.keys()
    renamed: dict[str, str] = {}
    others = (before.tree.with_children ^ after.tree.with_children) & now
    for number, info in after.by_id.items():
        old = before.by_id.get(number)
        if old is None or old.name != info.name:
            if old is not None and info.name not in was and old.name not in now:
                renamed[info.name] = old.name
            else:
                others.add(info.name)
    return was - now - set(renamed.values()), renamed, others - renamed.keys()
