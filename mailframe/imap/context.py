"""What a command may ask of its session: `registry.Context`, made real."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface

from mailframe.interfaces.content import IContent
from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailbox, IModSequenced
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.model.client import Client
from mailframe.model.mailbox import MailboxInfo, MailboxStatus
from mailframe.model.refusal import NoPermission, NoSuchMailbox, Refusal
from mailframe.pacing.turns import Turns
from mailframe.sasl.exchange import Mechanism
from mailframe.tls.handshakes import Handshakes

from . import login, numset, permission, selecting, writer
from .connection import Connection, Gone
from .framer import Limits
from .news.pipelined import counts_messages
from .progress import Progress
from .registry import REV2, UIDONLY, Bad, Effect, Literal, Registry, Selected, State, Watcher, Wish
from .settings import ImapSettings
from .view import Telling, View

_log = Logger()
_BY_DEFAULT = Wish()
_TELLS_EVERY = Effect.CHANGES | Effect.TELLS_ALL
_telling = lru_cache(256)(Telling)      # to make one takes longer than to tell of a message
_MAX_LINE = 16_384          # of an answer to a continuation request: a SASL response


class Shared(Protocol):
    """What a session needs of its factory."""

    settings: ImapSettings
    registry: Registry
    clock: IReactorTime
    turns: Turns
    handshakes: Handshakes
    portal: login.Portal
    tls: object | None
    content: IContent | None
    keys: IMailboxKeys | None
    mechanisms: Mapping[bytes, Mechanism]
    caches: dict[Any, Any]


class SessionContext:
    """The session's state; `session.Session` runs the commands."""

    def __init__(self, shared: Shared, remote: str, connection: Connection) -> None:
        self.settings = shared.settings
        self.registry = shared.registry
        self.clock = shared.clock
        self._turns = shared.turns
        self.caches = shared.caches
        self.mechanisms = shared.mechanisms
        self.remote = remote                    # the client's address without port, "" when it has none
        self.enabled: set[bytes] = set()
        self.extra: dict[str, Any] = {}
        self.literal: Literal | None = None
        self.by_uid = False
        self.tag = b""
        self.effect = Effect.NONE               # of the running command
        self.watcher: Watcher | None = None
        self.limited = b""
        self._shared = shared
        self.connection = connection
        self.out = connection.out
        self._user: login.User | None = None
        self._selected: Selected | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._failures = 0                      # of login
        self._ending = False                    # BYE was said
        self._stopping = False                  # the server goes down
        self._starts_tls = False
        self._compresses = False
        self._hinted = False                    # something changed since `news` was last awaited
        self._listening = False                 # and the session waits for that
        self._unheard = False                   # a hint came while no mailbox was selected
        self._slice = 0.0                       # when this session's turn began
        self._others: list[tuple[Callable[[], Awaitable[None]], Callable[[], None]]] = []      # see `also_tell`
        self._progress: Progress | None = None  # of the running command, when it takes long

    # -- Context: the session

    @property
    def state(self) -> State:
        if self._user is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self._selected is None else State.SELECTED

    @property
    def secure(self) -> bool:
        return self.connection.secure

    @property
    def utf8(self) -> bool:
        return b"UTF8=ACCEPT" in self.enabled or self.rev2

    @property
    def rev2(self) -> bool:
        return REV2 in self.enabled

    @property
    def uid_only(self) -> bool:
        return UIDONLY in self.enabled

    @property
    def tls_available(self) -> bool:
        return self._shared.tls is not None and not self.secure

    @property
    def may_log_in(self) -> bool:
        return login.allowed(self.settings.plaintext_login, self.secure, self.remote)

    @property
    def content(self) -> IContent | None:
        account = self._user.account if self._user else None
        return account if IContent.providedBy(account) else self._shared.content

    @property
    def keys(self) -> IMailboxKeys | None:
        return self._shared.keys

    def capability_line(self) -> bytes:
        """``CAPABILITY IMAP4rev1 ...`` as it is now."""
        return b" ".join([b"CAPABILITY", *self.registry.capabilities(self)])

    def bye(self, words: str, code: bytes = b"") -> None:
        if not self._ending:
            self.out.untagged(b"BYE " + (b"[%b] " % code if code else b"") + writer.text(words))
        self._ending = True

    def start_tls(self) -> None:
        self._starts_tls = True

    @property
    def compressed(self) -> bool:
        return self.connection.compressed

    def compress(self) -> None:
        self._compresses = True

    async def line(self) -> bytes:
        while (line := self.connection.framer.line(_MAX_LINE)) is None:
            await self.connection.more()
        return line

    async def news(self, within_s: float | None = None) -> bytes | None:
        recheck_s = self.settings.recheck_s         # a hint may be lost on its way from elsewhere
        late = self.clock.callLater(recheck_s if within_s is None else min(within_s, recheck_s), self.wake)
        self._listening = self.connection.unasked = True
        try:
            while (line := self.connection.framer.line(_MAX_LINE)) is None:
                if self._stopping:
                    self.bye("Server is going down", b"UNAVAILABLE")
                if self._ending:
                    raise Gone
                if self._hinted:
                    self._hinted = False
                    return None
                await self.connection.more()
            return line
        finally:
            self._listening = self.connection.unasked = False
            if late.active():
                late.cancel()

    def wake(self) -> None:
        self._hinted = True
        if self._listening:
            self.connection.wake()

    async def drained(self) -> None:
        await self.connection.drained()

    async def _pause(self) -> None:
        """Between pieces of a long answer: the client takes them, and others get their turn."""
        await self.drained()
        await self.breathe()

    async def breathe(self) -> None:
        turn: Deferred[None] = Deferred()
        self._turns.later(lambda: turn.callback(None))
        await turn
        if self.connection.lost:
            raise Gone              # nobody wants to know any more
        self._slice = self.clock.seconds()
        self.connection.working()

    def progress(self, done: int, total: int) -> None:
        if self._progress is None:
            if not self.settings.progress_s:
                return
            self._progress = Progress(self.tag, self.clock, self.settings.progress_s, self._keep_waiting)
        self._progress.at(done, total)

    def _keep_waiting(self, line: bytes) -> None:
        if not self.connection.held:            # who does not take answers is not waiting for one
            self.out.untagged(line)
            self.out.flush()

    # -- Context: the account

    @property
    def account(self) -> IAccount:
        return self._logged_in.account

    @property
    def account_name(self) -> str:
        return self._logged_in.name

    @property
    def _logged_in(self) -> login.User:
        if self._user is None:
            raise Bad("Log in first")
        return self._user

    @property
    def _name(self) -> str:
        return self._user.name if self._user else "nobody"

    @property
    def _plugin(self) -> str:
        """By what name the log knows whose mailboxes these are (I7)."""
        return type(self._user.parts[-1]).__qualname__ if self._user else "login"

    def provides(self, interface: type[Interface]) -> bool:
        return self._user is not None and any(interface.providedBy(part) for part in self._user.parts)

    @property
    def provided(self) -> Hashable:
        return self._user and self._user.provided

    async def log_in(self, user: str, password: str) -> None:
        try:
            self._user = await login.log_in(self._shared.portal, user, password, Client(self.remote, "imap"))
        except Refusal as refusal:
            _log.info(
                "login failed ip={ip} user={user!r} protocol=imap: {why}", ip=self.remote, user=user[:100], why=refusal.public)
            await login.delay(self.clock, self.settings.login_failure_delay_s)
            self._failures += 1
            if self._failures >= self.settings.max_login_failures:
                self.bye("Too many failed logins")
            raise
        _log.info("login ip={ip} user={user!r} protocol=imap", ip=self.remote, user=self._user.name)
        self.connection.logged_in = True
        self.connection.alive()
        self.connection.framer.limits = Limits(self.settings.max_line_octets, self.settings.max_command_octets)

    def log_out(self) -> None:
        self.unselect()
        self.ended()
        self._hinted = False
        self.enabled.clear()
        self.extra.clear()
        self.connection.logged_in = False
        self.connection.framer.limits = limits_of_strangers(self.settings)

    async def find(self, name: str, rights: str = "r") -> MailboxInfo:
        info = await found(self.account, name)
        if info is None:
            raise NoSuchMailbox
        return permission.need(info, rights)

    async def open(self, info: MailboxInfo) -> IMailbox:
        return await settled(self.account.open_mailbox(info.id))

    # -- Context: the selected mailbox

    @property
    def selected_or_none(self) -> Selected | None:
        return self._selected

    @property
    def selected(self) -> Selected:
        if self._selected is None:
            raise Bad("No mailbox is selected")
        return self._selected

    @property
    def view(self) -> View:
        return self.selected.view

    async def select(self, info: MailboxInfo, read_only: bool) -> MailboxStatus:
        self.unselect()
        mailbox = await self.open(info)
        self.listen()
        self._unheard = False
        self._selected, status = await selecting.opened(
            mailbox, info, read_only, self.breathe, claims=not (read_only or self.rev2))
        self._tune(self._selected.view)
        self._selected.dirty = self._unheard        # what came between the listing and now
        return status

    def listen(self) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self.account.subscribe(self._hint)

    def enable(self, *words: bytes) -> list[bytes]:
        fresh = [word for word in words if word not in self.enabled]
        self.enabled.update(fresh)
        aware = b"CONDSTORE" in fresh
        if b"QRESYNC" in fresh and b"CONDSTORE" not in self.enabled:
            self.enabled.add(b"CONDSTORE")      # RFC 7162 section 3.2.3
            aware = True
        if self._selected is not None:
            self._tune(self._selected.view)
            if aware and IModSequenced.providedBy(self._selected.mailbox):
                # From here on it is told of every change: this is up to where it knows all of them (RFC 7162 section 3.1).
                self.out.untagged(b"OK [HIGHESTMODSEQ %d] Mod-sequences are told from now on" % max(self._selected.told_modseq, 1))
        return fresh

    def _tune(self, view: View) -> None:
        """By what is enabled."""
        view.watch_modseq = b"CONDSTORE" in self.enabled
        view.uid_only = self.uid_only

    def unselect(self) -> None:
        selected, self._selected = self._selected, None
        if selected is not None and self.watcher is not None:
            self.watcher.left(selected.info.id)

    def _hint(self, mailbox_id: str) -> None:
        selected = self._selected
        elsewhere = self.watcher is not None and self.watcher.hinted(mailbox_id)
        here = selected is not None and mailbox_id in (selected.info.id, "")    # "": it may be it that was deleted
        if here and selected is not None:
            selected.dirty = True
        elif selected is None:
            self._unheard = True
        if here or elsewhere:
            self.heard()

    # -- Context: what others change elsewhere

    def heard(self) -> None:
        if self._listening and not self._hinted:
            self._turns.later(self.connection.wake)         # not within the other session's commit
        self._hinted = True

    def also_tell(self, teller: Callable[[], Awaitable[None]], end: Callable[[], None]) -> None:
        self._others.append((teller, end))

    async def tell_others(self) -> None:
        for teller, _ in self._others:
            await teller()

    async def sync(self, expunge: bool, *, poll: bool = True, flags: bool = True) -> None:
        selected = self.selected
        if poll:
            await self.poll()
        wish = _BY_DEFAULT if self.watcher is None else self.watcher.wish
        every = (wish.messages and wish.flags) or bool(self.effect & _TELLS_EVERY)      # to join enums of flags takes a while
        if not (wish.messages or every):
            selected.own.clear()
            return
        view, known = selected.view, selected.view.last_told
        expunge = expunge and not (view.owes_expunge and self._counted_on())
        how = _telling(selected.keywords, self.by_uid or self.watcher is not None, b"CONDSTORE" in self.enabled,
                       flags and (wish.flags or every), b"QRESYNC" in self.enabled)
        if flags:
            await selecting.tell(selected, self.out, self._pause, how, expunge)
        else:
            await selecting.count(selected, self.out, how)
        if self.watcher is not None:
            fresh = view.after(known)
            if selected.own:        # RFC 5465 section 5.2
                theirs = array("I", (uid for uid in view.uids_in(fresh) if uid not in selected.own))
                fresh = numset.spans(numset.ranges_of(theirs), view.uids)
            await self.watcher.describe(self, fresh)
        selected.own.clear()

    async def poll(self) -> None:
        """Ask the store what happened in the selected mailbox; nothing is told yet. Raises NoSuchMailbox when it was deleted."""
        selected = self.selected
        try:
            await selecting.catch_up(selected, self.breathe, claims=not (selected.read_only or self.rev2))
            if selected.rights is not None:
                await selecting.refresh_rights(selected, self.out)
        except NoSuchMailbox:
            self._leave("The selected mailbox is gone: deleted, or no longer shared", b"NONEXISTENT")
            raise
        except NoPermission as refusal:         # gone for this session (RFC 4314 section 5.1.1)
            self._leave(words := "The selected mailbox may not be read any more", b"NOPERM")
            raise NoSuchMailbox(words, imap_code=b"NOPERM") from refusal

    def _counted_on(self) -> bool:
        """Whether a command waits that counts messages as the client did when it wrote it (RFC 9051 section 5.5). Who asks for
        EXPUNGE or MOVE, though, knows that numbers change."""
        framer, registry = self.connection.framer, self.registry
        return (Effect.CHANGES not in self.effect and framer.buffered > 0
                and counts_messages(framer.waiting, registry.by_number, registry.perhaps_by_number))

    def _leave(self, words: str, code: bytes) -> None:
        """Another session has deleted the selected mailbox, or its owner has taken the right to read it away. RFC 9051 has a word
        for it (section 3, "unsolicited CLOSED"); to a client of RFC 3501 it would say nothing, so its session ends (RFC 2180
        section 3.3, RFC 4314 section 5.1.1) and it looks around anew."""
        self.unselect()
        if self.rev2:
            self.out.untagged(b"OK [CLOSED] " + words.encode("ascii"))
        else:
            self.bye(words, code)

    async def refresh_keywords(self, add: Sequence[str] = ()) -> tuple[str, ...]:
        return await selecting.refresh_keywords(self.selected, self.out, tuple(add))

    # -- the end

    def ended(self) -> None:
        watcher, self.watcher = self.watcher, None
        if watcher is not None:
            watcher.stop()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        others, self._others = self._others, []
        for _, end in others:
            end()
        user, self._user = self._user, None
        if user is not None:
            user.logout()


def limits_of_strangers(settings: ImapSettings) -> Limits:
    """Before the login nobody gets much memory from us."""
    return Limits(settings.max_line_before_login_octets, settings.max_command_before_login_octets)
