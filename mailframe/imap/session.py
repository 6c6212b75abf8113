"""One client's conversation: each command has four beats - parse, check, act, write (RFC 3501 section 3)."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from mailframe.model.refusal import InternalError, NoSuchMailbox, Refusal, TryAgainLater
from mailframe.pacing.turns import BUDGET_S

from . import conditional, writer
from .connection import Connection, Gone, TimedOut
from .context import SessionContext, Shared, limits_of_strangers
from .cursor import BadSyntax, Cursor
from .framer import Continue, Event, Framer, Rejected, Stream, Whole
from .registry import Bad, Command, Completion, Effect, Selected, State, Wish
from .streaming import CONTINUE, StreamedLiteral
from .view import UidRequired

_HEAD = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,250}) ((?:[Uu][Ii][Dd] )?[A-Za-z][A-Za-z0-9.-]*)')
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,250}')
_PLAIN_OK = re.compile(rb"OK [^\[]")
_log = Logger()


class Session(SessionContext):
    """Runs commands one after the other; ready answers leave together, in one write."""

    def __init__(self, shared: Shared, remote: str) -> None:
        settings = shared.settings
        connection = Connection(Framer(limits_of_strangers(settings), self._streams), settings, shared.clock, shared.turns,
                                shared.handshakes)
        super().__init__(shared, remote, connection)
        connection.serve = self.serve
        connection.on_lost = self.ended
        self._bad = 0                           # commands in a row that were none

    # -- the loop

    async def serve(self) -> None:
        """The whole conversation; ends with the connection closed, never with an exception."""
        framer, connection = self.connection.framer, self.connection
        try:
            self._greet()
            while not self._ending:
                event = framer.next()
                if type(event) is Whole:
                    await self._command(event.data)
                    continue
                if event is not None:
                    await self._take(event)
                    continue
                await self._rest()
                self._slice = self.clock.seconds()
                if self._stopping:
                    self.bye("Server is going down", b"UNAVAILABLE")
        except TimedOut:
            self.bye("Idle for too long")
        except Gone:
            pass
        except Exception:
            _log.failure("IMAP session failed")
            self.bye("Internal error", b"SERVERBUG")
        finally:
            self.unselect()
            connection.close()

    async def _rest(self) -> None:
        """Wait for the client. After NOTIFY it is told what happens meanwhile, but in the middle of no command of its own."""
        if self.watcher is None:
            await self.connection.more()
            return
        self._listening = True
        selected = self._selected
        if selected is not None and self.watcher.wish.unasked and (selected.dirty or selected.view.has_news):
            self._hinted = True         # a command has learned of what it may not tell: EXPUNGE during FETCH, or while SELECT ran
        try:
            while self._hinted and not self.connection.framer.buffered and not self._ending:
                self._hinted = False
                await self._push()
            if not self._ending:
                await self.connection.more()
        finally:
            self._listening = False

    async def _push(self) -> None:
        """What has happened, while no command runs. A store's fault costs the news, and the client is told so (I7)."""
        watcher, self.effect, self.by_uid = self.watcher, Effect.NONE, False
        assert watcher is not None
        try:
            if self._selected is not None and watcher.wish.unasked and (self._selected.dirty or self._selected.view.has_news):
                await self._sync_unasked(watcher.wish, self._selected)
            await watcher.tell(self)
        except (Gone, TimedOut):
            raise
        except Exception:
            _log.failure("IMAP news for {account} failed in {plugin}", account=self._name, plugin=self._plugin)
            watcher.give_up(self)

    async def _sync_unasked(self, wish: Wish, selected: Selected) -> None:
        with suppress(NoSuchMailbox):
            if selected.dirty:
                await self.poll()
            if not self.connection.framer.buffered:         # else the client has begun to speak meanwhile: with its answer
                await self.sync(wish.expunges_unasked, poll=False)
                self._promise_less(selected)

    def stop(self) -> None:
        """Say BYE as soon as the running command, if any, is done."""
        self._stopping = True
        self.connection.wake()

    def _greet(self) -> None:
        self.out.untagged(b"OK [%b] %b ready" % (self.capability_line(), writer.text(self.settings.hostname)))

    async def _take(self, event: Event) -> None:
        match event:
            case Continue():
                self.out.write(CONTINUE)
            case Stream(prefix):
                self.literal = StreamedLiteral(self.connection, event, self.utf8, self._next_literal)
                await self._command(prefix)
                self.literal = None
                self.connection.framer.abandon()
            case Rejected(tag, words, too_big):
                answer = b"NO [TOOBIG] " if too_big and self._user else b"BAD "
                self._count_bad()
                self.out.write((tag or b"*") + b" " + answer + writer.text(words) + b"\r\n")

    async def _command(self, data: bytes) -> None:
        found = _HEAD.match(data)
        if found is None:
            tag = _TAG.match(data)
            self._count_bad()
            self.out.write((tag[0] if tag and data[tag.end():tag.end() + 1] in b" " else b"*") + b" BAD No command\r\n")
            return
        tag_octets, name = found[1], found[2].upper()
        command = self.registry.commands.get(name)
        if command is None:
            self._count_bad()
            self.out.write(tag_octets + b" BAD Unknown command\r\n")
            return
        self.by_uid = name.startswith(b"UID ")
        self.tag, self.effect = tag_octets, command.effect
        cursor = Cursor(data, found.end(), by_uid=self.by_uid, utf8=self.utf8)
        try:
            answer = await self._outcome(command, cursor)
        finally:
            if self._progress is not None:
                self._progress.end()
                self._progress = None
        self.out.write(tag_octets + b" " + answer)
        if self._starts_tls:
            self._begin_tls()
        elif self._compresses:
            self._begin_compression()
        elif self.out.full:
            await self.drained()
        elif (self._turns.over or self.clock.seconds() - self._slice > BUDGET_S) and self.connection.framer.buffered:
            self.out.flush()
            await self.breathe()

    async def _outcome(self, command: Command[Any], cursor: Cursor) -> bytes:
        """Everything behind the tag. The one place where a session meets plugins' faults (I7, I8)."""
        try:
            if self.state not in command.states:
                raise Bad("Not now: " + _NOT_NOW[command.state])
            if self.uid_only and Effect.READS_SEQ in command.effect:
                raise UidRequired
            answer = await self._answer(command, cursor)
            if self._selected is not None or self.watcher is not None or self._others:
                await self._tell(command)
            self._bad = 0
            return self._hinting(command.effect, answer)
        except (BadSyntax, Bad) as error:
            self._count_bad()
            code = b"[%b] " % error.code if error.code else b""
            return b"BAD " + code + writer.text(str(error)) + b"\r\n"
        except Refusal as refusal:
            return _no(refusal)
        except (Gone, TimedOut):
            raise
        except CancelledError:
            _log.error("IMAP {command} of {account} took too long in {plugin}", command=command.name.decode(), account=self._name,
                       plugin=self._plugin)
            return _no(TryAgainLater())
        except Exception:
            _log.failure("IMAP {command} failed for {account} in {plugin}", command=command.name.decode(), account=self._name,
                         plugin=self._plugin)
            return _no(InternalError())

    async def _answer(self, command: Command[Any], cursor: Cursor) -> bytes:
        """OK or NO: either way the client has been told something, and is told the rest of it."""
        self.limited = b""
        try:
            done = await command.run(self, command.parse(cursor))
        except Refusal as refusal:
            if self._selected is not None and isinstance(refusal, NoSuchMailbox):
                self._selected.dirty = True         # perhaps it was that one
            if refusal.detail:
                _log.info("IMAP {command} of {account} refused: {detail}", command=command.name.decode(), account=self._name,
                          detail=refusal.detail)
            self._tell_limited()
            return _no(refusal)
        if done is None and not self.limited:
            return command.completed
        if self.limited and done is not None and done.code:
            self._tell_limited()
        elif self.limited:
            done = Completion(b"Only the last messages were done", self.limited)
        assert done is not None
        return b"OK " + (b"[%b] " % done.code if done.code else b"") + (done.text or b"Done") + b"\r\n"

    def _tell_limited(self) -> None:
        """Where the tagged answer has something else to say (RFC 9738 section 3.1)."""
        if self.limited:
            self.out.untagged(b"NO [%b] Only the last messages were done" % self.limited)

    async def _tell(self, command: Command[Any]) -> None:
        """What happened in the selected mailbox, as far as this command's answer may tell it."""
        if self.watcher is not None and command.polls:
            await self.watcher.tell(self, now=True)
        if self._others:
            await self.tell_others()
        selected = self._selected
        if selected is None:
            return
        poll = selected.dirty or conditional.QRESYNC in self.enabled or command.asks_store
        if poll or selected.view.has_news:
            try:
                await self.sync(command.may_expunge, poll=poll)
            except NoSuchMailbox:
                return
        if command.polls:
            selected.listened()
        self._promise_less(selected)

    def _promise_less(self, selected: Selected) -> None:
        """What is owed an expunge may have been told greater mod-sequences, and must not conclude from them that it knows of it
        (RFC 7162 section 3.2)."""
        if conditional.QRESYNC in self.enabled and selected.view.owes_expunge:
            self.out.untagged(b"OK [HIGHESTMODSEQ %d] Some messages are gone" % max(selected.told_modseq, 1))

    def _hinting(self, effect: Effect, answer: bytes) -> bytes:
        """The answer of a command which may not tell what is gone says at least that something is (RFC 5530 section 3)."""
        selected = self._selected
        if selected is None or not selected.view.owes_expunge or Effect.READS_SEQ not in effect:
            return answer
        return b"OK [EXPUNGEISSUED] " + answer[3:] if _PLAIN_OK.match(answer) else answer

    def _streams(self, text: bytes) -> bool:
        """Whether a literal announced at the end of `text` is for a command that may run now and reads it as it comes."""
        found = _HEAD.match(text)
        command = self.registry.commands.get(found[2].upper()) if found else None
        if found is None or command is None or command.streams is None or self.state not in command.states:
            return False
        return command.streams(Cursor(text, found.end(), utf8=self.utf8))

    def _next_literal(self, literal: StreamedLiteral | None) -> None:
        self.literal = literal

    def _count_bad(self) -> None:
        self._bad += 1
        if self._bad >= (self.settings.max_bad_commands if self._user else self.settings.max_bad_before_login):
            self.bye("Too many bad commands")

    def _begin_tls(self) -> None:
        """Octets that came after STARTTLS in the clear close the connection: they may be somebody else's (I5)."""
        self._starts_tls = False
        if self.connection.framer.buffered:
            self._ending = True
            return
        self.out.flush()
        self.connection.start_tls(self._shared.tls)
        self.extra.clear()

    def _begin_compression(self) -> None:
        """The client waits for our OK before it says more (RFC 4978 section 3): what came is neither packed nor plain."""
        self._compresses = False
        if self.connection.framer.buffered:
            self.bye("COMPRESS is the last word before its answer")
            return
        self.connection.compress()


_NOT_NOW = {
    State.NOT_AUTHENTICATED: "you are logged in", State.LOGGED_IN: "log in first", State.SELECTED: "select a mailbox first",
    State.AUTHENTICATED: "a mailbox is selected", State.ANY: "",
}


def _no(refusal: Refusal) -> bytes:
    code = b"[%b] " % refusal.imap_code if refusal.imap_code else b""
    return b"NO " + code + writer.text(refusal.public) + b"\r\n"
