"""How others' mailboxes are called: ``Other Users/<owner>/<name>``, and an id that says whose it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mailframe.model.mailbox import INBOX, SEPARATOR

_MARK = "\0"        # no store's id begins so, and no account's name holds it


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox of `owner`, by its name or its id there."""

    owner: str
    what: str


@dataclass(frozen=True, slots=True)
class Naming:
    """`prefix` is without the separator at its end."""

    prefix: str

    @property
    def root(self) -> str:
        return self.prefix + SEPARATOR

    def foreign(self, name: str) -> bool:
        """Whether it is the prefix or below it."""
        return name == self.prefix or name.startswith(self.root)

    def split(self, name: str) -> Place | None:
        """The owner and his own name for it; None for what is no mailbox of anybody."""
        if not name.startswith(self.root):
            return None
        owner, _, rest = name[len(self.root):].partition(SEPARATOR)
        if rest.upper() == INBOX:
            rest = INBOX                # the owner's, too, has no other spelling
        return Place(owner, rest) if owner and rest else None

    def join(self, place: Place) -> str:
        return self.root + place.owner + SEPARATOR + place.what


def id_of(place: Place) -> str:
    return _MARK + place.owner + _MARK + place.what


def place_of(mailbox_id: str) -> Place | None:
    """None for an own mailbox's id."""
    if not mailbox_id.startswith(_MARK):
        return None
    owner, _, inner = mailbox_id[1:].partition(_MARK)
    return Place(owner, inner)
