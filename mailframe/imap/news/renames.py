"""What changed in an account's list of mailboxes, name by name: what NOTIFY tells of it (RFC 5465 sections 5.4 and 5.5). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mailframe.model.mailbox import SEPARATOR, MailboxInfo, MailboxList

from ..names import Tree, all_parents, in_order, parents
from ..registry import Done
from .wishes import MAILBOX_NAME, SUBSCRIPTION_CHANGE, Wishes


@dataclass(frozen=True, slots=True)
class Listed:
    """The list as a client has been told of it."""

    by_id: dict[str, MailboxInfo]
    tree: Tree

    @classmethod
    def of(cls, known: MailboxList) -> Listed:
        return cls({info.id: info for info in known.mailboxes}, Tree(known))

    def after(self, done: Done) -> Listed:
        """The list as a client believes it to be after its own command."""
        known = {number: replace(info, name=done.renamed.get(number, info.name)) for number, info in self.by_id.items()
                 if number not in done.deleted}
        if done.created is not None:
            known[done.created.id] = done.created
        return Listed.of(MailboxList(tuple(known.values()), (self.tree.subscribed | done.subscribed) - done.unsubscribed))


def changes(before: Listed, after: Listed, wishes: Wishes) -> dict[str, str | None]:
    """The names to be told, in the order in which they are, with the name that each had before if it was renamed."""
    either = before.tree.subscribed | after.tree.subscribed

    def wanted(event: bytes) -> Callable[[str], bool]:
        return lambda name: event in wishes.of(name, either)

    told: dict[str, str | None] = {}
    if wishes.anywhere(MAILBOX_NAME):
        gone, renamed, others = _names(before, after)
        wants = wanted(MAILBOX_NAME)
        chosen = {new: old for new, old in renamed.items() if wants(new) or wants(old)}
        along = _along(chosen)      # what left a parent before that was renamed is told before it: else it would go along
        others |= {new for new in along if (new in after.tree.with_children) != (chosen[new] in before.tree.with_children)}
        told.update((name, None) for name in in_order(filter(wants, gone)))
        roots = sorted(chosen.keys() - along, key=lambda new: (-chosen[new].count(SEPARATOR), new))
        told.update((new, chosen[new]) for new in roots)
        told.update((name, None) for name in in_order(filter(wants, others)) if name not in told)
    if wishes.anywhere(SUBSCRIPTION_CHANGE):
        differs = before.tree.subscribed ^ after.tree.subscribed
        told.update((name, None) for name in in_order(filter(wanted(SUBSCRIPTION_CHANGE), differs)) if name not in told)
    return told


def _names(before: Listed, after: Listed) -> tuple[set[str], dict[str, str], set[str]]:
    """Names that are gone; new names, and what they were; names that are new, or whose children came or went, with the parents
    of what is new or gone, which section 5.4 calls affected."""
    was, now = before.tree.mailboxes.keys(), after.tree.mailboxes.keys()
    renamed = _renamed(before, after)
    gone = was - now - set(renamed.values())
    others = before.tree.with_children ^ after.tree.with_children
    for number, info in after.by_id.items():
        old = before.by_id.get(number)
        if (old is None or old.name != info.name) and info.name not in renamed:
            others.add(info.name)
    others.update(name.rpartition(SEPARATOR)[0] for name in gone | now - was - renamed.keys() if SEPARATOR in name)
    return gone, renamed, others - gone - renamed.keys() - set(renamed.values())


def _renamed(before: Listed, after: Listed) -> dict[str, str]:
    """New names, and what they were, as a client may follow them line by line, taking along what lies below a name.

    So it is no renaming where the new name was another mailbox's before, or the old one is another's now; where something
    below the old name has stayed there; nor where the new name lies below one that is left: such names are told one by one,
    as they are now."""
    was, now = before.tree.mailboxes.keys(), after.tree.mailboxes.keys()
    renamed: dict[str, str] = {}
    stayed: set[str] = set()
    for number, info in after.by_id.items():
        old = before.by_id.get(number)
        if old is not None and old.name == info.name:
            stayed.add(info.name)
        elif old is not None and info.name not in was and old.name not in now:
            renamed[info.name] = old.name
    if not renamed:
        return renamed
    kept, left = all_parents(stayed), set(renamed.values())
    return {new: old for new, old in renamed.items() if old not in kept and left.isdisjoint(parents(new))}


def _along(renamed: dict[str, str]) -> set[str]:
    """Of these new names those that went along with a parent: section 5.4 wants nothing said of them."""
    return {new for new, old in renamed.items()
            if any(old == renamed[parent] + new[len(parent):] for parent in parents(new) if parent in renamed)}
