"""What others do to the annotations that a session may see, until its client is told (RFC 5464 section 4.4.2): who has
enabled it, or has asked NOTIFY for it (RFC 5465 sections 5.6 and 5.7)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxList

from ..annotations import account_of, changed, meant
from ..registry import Context

BOTH, SERVER = b"METADATA", b"METADATA-SERVER"      # words for ENABLE: all annotations, or the server's alone
MAILBOX_CHANGE, SERVER_CHANGE = b"MAILBOXMETADATACHANGE", b"SERVERMETADATACHANGE"      # events of NOTIFY (RFC 5465 section 5)
MAX_CHANGES = 1_000         # that a client has not been told of yet; who falls so far behind begins afresh


class Watch:
    """One session's. What is kept is heard of from its keeper; entries with a value of their own (a mailbox's special use) are
    compared when the list of mailboxes has changed. What the session's client sets itself is no news to it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._begun = False
        self._held: list[tuple[str | None, frozenset[str]]] | None = None      # heard while the session's own change is made
        self._news: dict[str | None, dict[str, None]] = {}
        self._values: dict[tuple[str, str], bytes | None] = {}     # by mailbox id and entry
        self._stale = False

    async def begin(self) -> None:
        """The client has enabled it, or a NOTIFY asks for it."""
        if self._begun:
            return
        self._begun = True
        context = self._context
        end: Any = account_of(context).watch_metadata(context.account_name, self.heard)
        unsubscribe = context.account.subscribe(self._listed)

        def over() -> None:
            end()
            unsubscribe()

        context.also_tell(self.tell, over)
        self._values = self._found(await self._listing())

    def heard(self, mailbox_id: str | None, names: Collection[str]) -> None:
        """See MetadataListener."""
        if self._held is not None:
            self._held.append((mailbox_id, frozenset(names)))
        elif self._server_wanted if mailbox_id is None else self._any_wanted:
            if sum(map(len, self._news.values())) <= MAX_CHANGES:
                self._news.setdefault(mailbox_id, {}).update(dict.fromkeys(sorted(names)))
            self._context.heard()

    def _listed(self, mailbox_id: str) -> None:
        if mailbox_id == "":
            self._stale = True
            if self._any_wanted:
                self._context.heard()

    @property
    def pending(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._news) or (self._stale and self._any_wanted)

    @property
    def _server_wanted(self) -> bool:
        watcher = self._context.watcher
        return (not {BOTH, SERVER}.isdisjoint(self._context.enabled)
                or (watcher is not None and watcher.wants(SERVER_CHANGE, "")))

    @property
    def _any_wanted(self) -> bool:
        """Of some mailboxes."""
        watcher = self._context.watcher
        return BOTH in self._context.enabled or (watcher is not None and watcher.wants(MAILBOX_CHANGE, ""))

    def _wanted(self, name: str) -> bool:
        watcher = self._context.watcher
        return BOTH in self._context.enabled or (watcher is not None and watcher.wants(MAILBOX_CHANGE, name))

    @contextmanager
    def setting(self, mailbox_id: str | None, names: frozenset[str]) -> Iterator[None]:
        """While the session sets these itself: the keeper says so once, before it is done, and perhaps what others do, too."""
        self._held = []
        try:
            yield
            if (mailbox_id, names) in self._held:
                self._held.remove((mailbox_id, names))
        finally:
            held, self._held = self._held, None
            for each in held:
                self.heard(*each)

    def known(self, mailbox_id: str, name: str, value: bytes | None) -> None:
        """The session has set an entry that has a value of its own."""
        if self._begun:
            self._values[mailbox_id, name] = value

    async def tell(self) -> None:
        """Write a METADATA response for each mailbox with news."""
        if not self.pending:
            return
        stale, self._stale = self._stale, False
        known: dict[str, str] = {}
        if stale or self._news.keys() != {None}:
            try:
                listing = await self._listing()
            except Exception:
                self._stale |= stale        # it is told later
                raise
            known = {info.id: info.name for info in listing.mailboxes}
            if stale:
                self._compare(self._found(listing))
        news, self._news = self._news, {}
        context = self._context
        if sum(map(len, news.values())) > MAX_CHANGES:
            self._too_many()
            return
        of_server = news.pop(None, None)
        if of_server is not None and self._server_wanted:
            context.out.untagged(changed(None, of_server, context.utf8))
        for name, names in sorted((known[each], names) for each, names in news.items() if each in known):
            if self._wanted(name):
                context.out.untagged(changed(name, names, context.utf8))

    def _too_many(self) -> None:
        """Who asked by NOTIFY is told that nothing more comes (RFC 5465 section 5.8); ENABLE has no such word."""
        context = self._context
        if {BOTH, SERVER}.isdisjoint(context.enabled) and context.watcher is not None:
            context.watcher.give_up(context)
        else:
            context.bye("Too many annotations were changed; please connect again")

    async def _listing(self) -> MailboxList:
        listing: MailboxList = await settled(self._context.account.mailboxes())
        return listing

    def _found(self, listing: MailboxList) -> dict[tuple[str, str], bytes | None]:
        valued = [(each.name.decode(), each.value) for each in meant(self._context, False) if each.value is not None]
        return {(info.id, name): value(self._context, info) for info in listing.mailboxes for name, value in valued}

    def _compare(self, values: dict[tuple[str, str], bytes | None]) -> None:
        for (mailbox_id, name), value in values.items():
            if self._values.get((mailbox_id, name), value) != value:
                self._news.setdefault(mailbox_id, {})[name] = None
        self._values = values
