"""NOTIFY at work: what happened to an account's other mailboxes, told when the session may be told (RFC 5465)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.internet.interfaces import IDelayedCall

from mailframe.interfaces.maybe import settled
from mailframe.model.mailbox import MailboxInfo, MailboxList, MailboxStatus
from mailframe.model.refusal import NoSuchMailbox, Refusal
from mailframe.pacing.breath import Breath

from .. import conditional, writer
from ..commands.listing import Lister, ListRequest
from ..fetching import Fetching
from ..fetchplan import Plan
from ..items.columns import Uid
from ..items.item import Column, Section
from ..items.modseq import Modseq
from ..names import Tree, in_order
from ..registry import Context, Done, Wish
from .renames import Listed, changes
from .wishes import FLAG_CHANGE, MESSAGE_NEW, Event, Wishes

Counts = tuple[int, int, int, int, int]         # uidvalidity, messages, uidnext, unseen, highest mod-sequence
_MANY = 500             # mailboxes in a list: more are taken in steps
_NO_MAILBOXES = MailboxList((), frozenset())


class Overflow(Refusal):
    public, imap_code = "Too many mailboxes to be watched", b"NOTIFICATIONOVERFLOW"


class Watch:
    """One NOTIFY in force (`registry.Watcher`). Of a watched mailbox its counts are kept as they were last told, of the list its
    names: a hint makes us look, and what differs is told. So a thousand deliveries between two looks are one line."""

    def __init__(self, context: Context, wishes: Wishes, items: Sequence[Column | Section] = ()) -> None:
        """`items`: what is told of each new message in the selected mailbox."""
        self._wake, self._clock, self._settings = context.wake, context.clock, context.settings
        self._wishes, self._items = wishes, items
        self._events = [event for event in context.registry.usable(context.registry.events, context).values()
                        if isinstance(event, Event) and event.begin is not None and wishes.anywhere(event.name)]
        self._listed = Listed.of(_NO_MAILBOXES)
        self._watched: dict[str, frozenset[bytes]] = {}     # ids of mailboxes whose messages count, and which events
        self._counts: dict[str, Counts] = {}                # of these, as last told
        self._closed: set[str] = set()                      # of these, where the client was told that it may not look
        self._stale: dict[str, None] = {}                   # of these, where something may have happened, in that order
        self._relist = False                                # something may have happened to the list
        self._next = 0.0                                    # when the next may be told
        self._timer: IDelayedCall | None = None
        self._recheck: IDelayedCall | None = None

    async def begin(self, context: Context, before: Watch | None = None, *, tell: bool) -> None:
        """Learn how things stand, and `tell` the counts (NOTIFY SET STATUS, section 3.1). Of a mailbox that was watched `before`
        the client is told what is new since, also without. Raises Overflow."""
        if not self._wishes.groups:
            return
        self._recheck = self._clock.callLater(self._settings.recheck_s, self._look_again)
        self._listed = await self._list(context)
        await self._watch(context)
        if self._too_many:
            raise Overflow
        for event in self._events:
            if event.begin is not None:
                await event.begin(context)
        if before is not None:
            self._closed = before._closed & self._watched.keys()
            self._counts = {} if tell else {number: each for number, each in before._counts.items() if number in self._watched}
        breath = Breath(context.clock.seconds, context.breathe)
        for number in list(self._watched):
            await self._status(context, number, tell=tell or number in self._counts)
            await breath.take()

    # -- Watcher

    @property
    def wish(self) -> Wish:
        return self._wishes.selected

    def hinted(self, mailbox_id: str) -> bool:
        if not self._wishes.groups:
            return False
        if not mailbox_id:
            self._relist = True
        elif mailbox_id in self._watched:
            self._stale[mailbox_id] = None
        else:
            return False
        return self._may_tell()

    def wants(self, event: bytes, name: str) -> bool:
        return event in self._wishes.of(name, self._listed.tree.subscribed) if name else self._wishes.anywhere(event)

    def left(self, mailbox_id: str) -> None:
        if mailbox_id in self._watched:
            self._stale[mailbox_id] = None
            self._wake()

    def did(self, done: Done) -> None:
        if self._wishes.groups:
            self._listed = self._listed.after(done)

    async def listing(self, context: Context, known: MailboxList) -> None:
        if self._wishes.groups:
            await self._names(context, await self._sorted(context, known))

    def counted(self, mailbox_id: str, status: MailboxStatus) -> None:
        if mailbox_id in self._watched and self._counts.get(mailbox_id) != _counts(status):
            self._counts.pop(mailbox_id, None)      # all of them are told at the next occasion
            self._stale[mailbox_id] = None
            self._wake()

    async def describe(self, context: Context, spans: list[tuple[int, int]]) -> None:
        if not (spans and self._items):
            return
        items = [*self._items] if context.uid_only else [Uid(), *self._items]
        if conditional.is_on(context):
            items.append(Modseq())
        await Fetching(context, Plan.of(items)).run(spans)

    async def tell(self, context: Context, *, now: bool = False) -> None:
        others = any(event.pending is not None and event.pending(context) for event in self._events)
        if not (self._relist or self._stale or others) or not (now or self._may_tell()):
            return
        told = False
        breath = Breath(context.clock.seconds, context.breathe)
        if self._relist:
            told = await self._names(context, await self._list(context))
        while self._stale and self._wishes.groups:
            number = next(iter(self._stale))
            del self._stale[number]
            try:
                told |= await self._status(context, number, tell=True)
            except BaseException:
                self._stale[number] = None
                raise
            await breath.take()
        if others:
            await context.tell_others()
        if told or others:
            self._next = self._clock.seconds() + self._settings.notify_gather_s

    def give_up(self, context: Context) -> None:
        self.stop()
        self._wishes = Wishes()
        self._events = []
        self._watched, self._counts, self._relist = {}, {}, False
        self._closed.clear()
        self._stale.clear()
        self._listed = Listed.of(_NO_MAILBOXES)
        context.out.untagged(b"OK [NOTIFICATIONOVERFLOW] No more is told unasked")

    def stop(self) -> None:
        for call in (self._timer, self._recheck):
            if call is not None and call.active():
                call.cancel()
        self._timer = self._recheck = None

    # -- within

    def look_again(self) -> None:
        """Anything may have happened."""
        self._relist = bool(self._wishes.groups)
        self._stale.update(dict.fromkeys(self._watched))
        self._wake()

    def _look_again(self) -> None:
        self._recheck = self._clock.callLater(self._settings.recheck_s, self._look_again)
        self.look_again()

    def _may_tell(self) -> bool:
        """Whether the time has come; else we come back when it has."""
        left = self._next - self._clock.seconds()
        if left <= 0:
            return True
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(left, self._wake)
        return False

    @property
    def _too_many(self) -> bool:
        return len(self._watched) > self._settings.max_watched_mailboxes

    async def _list(self, context: Context) -> Listed:
        self._relist = False            # first: a hint that comes while we ask is a hint to ask again
        try:
            known: MailboxList = await settled(context.account.mailboxes())
        except BaseException:
            self._relist = True
            raise
        return await self._sorted(context, known)

    async def _sorted(self, context: Context, known: MailboxList) -> Listed:
        listed = Listed.of(known)
        if len(known.mailboxes) > _MANY:
            await context.breathe()         # it was some milliseconds' work, and more of it comes (I2)
        return listed

    async def _watch(self, context: Context) -> list[str]:
        """Which mailboxes count from now on; returns those that did not."""
        tree, watched = self._listed.tree, dict[str, frozenset[bytes]]()
        breath = Breath(context.clock.seconds, context.breathe)
        for name in in_order(tree.mailboxes) if self._wishes.anywhere(MESSAGE_NEW) else ():
            events = self._wishes.of(name, tree.subscribed)
            if MESSAGE_NEW in events:       # the others go with it (section 5)
                watched[tree.mailboxes[name].id] = events
            if breath.due:
                await breath.take()
        before, self._watched = self._watched, watched
        self._counts = {number: counts for number, counts in self._counts.items() if number in self._watched}
        self._closed &= self._watched.keys()
        return [number for number in self._watched if number not in before]

    async def _names(self, context: Context, after: Listed) -> bool:
        """Tell what happened to the list; mailboxes that are watched since, or by another name, are told with their counts."""
        before, self._listed = self._listed, after
        self._stale.update(dict.fromkeys(await self._watch(context)))
        for number, info in before.by_id.items():
            if number in self._counts and after.by_id[number].name != info.name:
                del self._counts[number]        # known by another name
                self._stale[number] = None
        if self._too_many:
            self.give_up(context)
            return False
        lines = self._list_lines(context, changes(before, after, self._wishes))
        for line in lines:
            context.out.untagged(line)
            if context.out.full:
                await context.drained()
        return bool(lines)

    def _list_lines(self, context: Context, names: dict[str, str | None]) -> list[bytes]:
        request = ListRequest("", (), returns={b"SUBSCRIBED": None}, extended=True)
        lister = Lister(context, self._listed.tree, request) if names else None
        lines = []
        for name, old in names.items():
            line = lister.line(name) if lister is not None else None
            if line is not None:
                lines.append(line + (b"" if old is None else b' ("OLDNAME" (%b))' % writer.mailbox(old, context.utf8)))
        return lines

    async def _status(self, context: Context, number: str, *, tell: bool) -> bool:
        """Look at a mailbox's counts; tell them if they are others than the client knows. The selected one is told elsewhere."""
        events, info = self._watched.get(number), self._listed.by_id.get(number)
        selected = context.selected_or_none
        if events is None or info is None or (selected is not None and selected.info.id == number):
            return False
        try:
            mailbox = await context.open(info)
            status: MailboxStatus = await settled(mailbox.status())
        except NoSuchMailbox:
            self._relist = True
            return False
        except Refusal as refusal:
            if refusal.imap_code != b"NOPERM":
                raise
            return self._no_access(context, info)
        if number in self._closed:          # no longer (section 5.9)
            self._closed.discard(number)
            for line in self._list_lines(context, {info.name: None}):
                context.out.untagged(line)
        counts = _counts(status)
        known, self._counts[number] = self._counts.get(number), counts
        heard = counts if FLAG_CHANGE in events else counts[:3]
        if not tell or (known is not None and known[:len(heard)] == heard):
            return False
        context.out.untagged(b"STATUS %b (%b)" % (
            writer.mailbox(info.name, context.utf8),
            b" ".join(_items(counts, FLAG_CHANGE in events or conditional.is_on(context)))))
        if context.out.full:
            await context.drained()
        return True

    def _no_access(self, context: Context, info: MailboxInfo) -> bool:
        """It may be listed, but not looked at (section 3.1): told once, and counted anew if that changes."""
        self._counts.pop(info.id, None)
        if info.id in self._closed:
            return False
        self._closed.add(info.id)
        tree: Tree = self._listed.tree
        children = b"\\HasChildren" if info.name in tree.with_children else b"\\HasNoChildren"
        context.out.untagged(b'LIST (%b \\NoAccess) "/" %b' % (children, writer.mailbox(info.name, context.utf8)))
        return True


def _counts(status: MailboxStatus) -> Counts:
    return status.uidvalidity, status.messages, status.uidnext, status.unseen, status.highest_modseq


def _items(counts: Counts, modseq: bool) -> Iterable[bytes]:
    """Sections 3.1 and 5.1 to 5.3; UNSEEN besides, since it is what most programs want to know."""
    uidvalidity, messages, uidnext, unseen, highest = counts
    yield b"MESSAGES %d UIDNEXT %d UIDVALIDITY %d UNSEEN %d" % (messages, uidnext, uidvalidity, unseen)
    if modseq and highest:
        yield b"HIGHESTMODSEQ %d" % highest
