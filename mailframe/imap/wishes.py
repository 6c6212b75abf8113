"""What a client of NOTIFY wants to hear of which mailboxes (RFC 5465 sections 5 and 6). Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass

from .names import parents
from .registry import Context, Wish

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = b"MESSAGENEW", b"MESSAGEEXPUNGE", b"FLAGCHANGE"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = b"MAILBOXNAME", b"SUBSCRIPTIONCHANGE"
NOTHING = Wish(messages=False, flags=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One word of an event group.

    `news`, for an event of an extension: asked when NOTIFY begins, when its answer is thrown away, and whenever the account's
    list may have changed, for complete lines. `wanted(name)` says whether the client wants to hear of that mailbox, and of
    the server by the name "".
    """

    name: bytes                     # in upper case
    label: bytes                    # as its RFC writes it
    news: Callable[[Context, Callable[[str], bool]], Awaitable[Sequence[bytes]]] | None = None


BUILT_IN = (
    Event(MESSAGE_NEW, b"MessageNew"), Event(MESSAGE_EXPUNGE, b"MessageExpunge"), Event(FLAG_CHANGE, b"FlagChange"),
    Event(MAILBOX_NAME, b"MailboxName"), Event(SUBSCRIPTION_CHANGE, b"SubscriptionChange"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Events (none: the client wants to hear nothing) of the mailboxes in a scope; `names` are those of SUBTREE and MAILBOXES."""

    scope: bytes
    events: frozenset[bytes]
    names: frozenset[str] = frozenset()

    def holds(self, name: str, subscribed: Container[str]) -> bool:
        if self.scope == b"SUBSCRIBED":
            return name in subscribed
        if self.scope == b"MAILBOXES":
            return name in self.names
        if self.scope == b"SUBTREE":
            return name in self.names or any(parent in self.names for parent in parents(name))
        return True         # PERSONAL, and INBOXES: mail may be delivered to any mailbox (section 6.3)


@dataclass(frozen=True, slots=True)
class Wishes:
    """All groups of one NOTIFY SET; those for the selected mailbox are `selected`."""

    groups: tuple[Group, ...] = ()
    selected: Wish = NOTHING

    def of(self, name: str, subscribed: Container[str]) -> frozenset[bytes]:
        """Which events of this mailbox; a mailbox may be in several groups, up to one with NONE."""
        found: frozenset[bytes] = frozenset()
        for group in self.groups:
            if group.holds(name, subscribed):
                if not group.events:
                    break
                found |= group.events
        return found

    def anywhere(self, event: bytes) -> bool:
        return any(event in group.events for group in self.groups)
