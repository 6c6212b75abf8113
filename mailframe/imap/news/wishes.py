"""What a client of NOTIFY wants to hear of which mailboxes (RFC 5465 sections 5 and 6). Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from ..registry import Context, Wish
from ..search.scopes import Scope

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = b"MESSAGENEW", b"MESSAGEEXPUNGE", b"FLAGCHANGE"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = b"MAILBOXNAME", b"SUBSCRIPTIONCHANGE"
NOTHING = Wish(messages=False, flags=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One word of an event group.

    For an event of an extension: `begin` is awaited when a NOTIFY with it comes into force, perhaps not for the first time. From
    then on the extension says `Context.heard` when it hears of something, and tells it by `Context.also_tell`: also while no
    command runs, when `pending` says that there is something. `Watcher.wants` knows of what.
    """

    name: bytes                     # in upper case
    label: bytes                    # as its RFC writes it
    begin: Callable[[Context], Awaitable[None]] | None = None
    pending: Callable[[Context], bool] | None = None


BUILT_IN = (
    Event(MESSAGE_NEW, b"MessageNew"), Event(MESSAGE_EXPUNGE, b"MessageExpunge"), Event(FLAG_CHANGE, b"FlagChange"),
    Event(MAILBOX_NAME, b"MailboxName"), Event(SUBSCRIPTION_CHANGE, b"SubscriptionChange"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Events (none: the client wants to hear nothing) of the mailboxes in a scope."""

    scope: Scope
    events: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Wishes:
    """All groups of one NOTIFY SET; those for the selected mailbox are `selected`. `foreign`: see `Scope.holds`."""

    groups: tuple[Group, ...] = ()
    selected: Wish = NOTHING
    foreign: tuple[str, ...] = ()

    def of(self, name: str, subscribed: Container[str]) -> frozenset[bytes]:
        """Which events of this mailbox; a mailbox may be in several groups, up to one with NONE."""
        found: frozenset[bytes] = frozenset()
        for group in self.groups:
            if group.scope.holds(name, subscribed, self.foreign):
                if not group.events:
                    break
                found |= group.events
        return found

    def anywhere(self, event: bytes) -> bool:
        return any(event in group.events for group in self.groups)
