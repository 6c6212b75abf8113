"""Text for search comes about in the background: a small share of the reactor's time, less while others write."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from mailframe.mime.searchtext import VERSION
from mailframe.model.refusal import Refusal
from mailframe.pacing.breath import Breath
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.errors import EngineError

from . import fulltext, texts
from .contenttext import ContentText
from .schema import uid_set
from .texts import Text

log = Logger()


@dataclass(frozen=True, slots=True)
class TextLimits:
    """When text is made, and how much at once."""

    share: float = 0.1              # of the reactor's time, at most
    busy_jobs_s: float = 50.0       # of others in a second: who writes that much is not to be slowed down further
    busy_rest_s: float = 0.25       # between two slices then: it goes on, though with one hundredth of the time
    idle_s: float = 1.0             # between two looks for new mail: until then a search reads it from the content
    retry_s: float = 60.0           # after the disk was full, or whatever it was
    page: int = 1_000               # contents looked at together, in the reader's thread: about 1 ms
    together: int = 50              # texts, or so many octets of them, in one job of the writer: 2 ms of it
    together_octets: int = 262_144
    patience: int = 600             # looks at content that nothing refers to yet (a queue's, one being staged), then it is left

    def among(self, makers: int) -> TextLimits:
        """For one of so many makers in one reactor, which together take what one alone would."""
        return replace(
            self, share=self.share / makers, busy_jobs_s=self.busy_jobs_s / makers, busy_rest_s=self.busy_rest_s * makers)


class TextMaker:
    """What came first is made last: `round` takes new contents, then those that were not ready, then older and older ones.

    Nothing but the tables says what is made: after a restart it begins again from the newest, and passes over what is there.
    """

    def __init__(
        self, engine: Engine, content: SqliteContent, clock: IReactorTime, *, words: bool = False, limits: TextLimits | None = None,
        version: int = VERSION,
    ) -> None:
        self._engine, self._clock, self._words = engine, clock, words
        self.limits = limits or TextLimits()
        self._version = version
        self._breath = Breath(clock.seconds, self._rest)
        self._maker = ContentText(content, self._breath)
        self._todo: deque[tuple[int, int]] = deque()    # (content, octets)
        self._waiting: dict[int, int] = {}              # contents that were not ready, and how often they were looked at
        self._newest = self._oldest = -1                # all contents between have been looked at; -1: not begun
        self._own_jobs = self._jobs = 0                 # jobs of the writer: ours so far, those of others when last counted
        self._busy = False
        self._begun = self._counted = clock.seconds()
        self._working: Deferred[None] | None = None
        engine.register(texts.COMPONENT, texts.MIGRATIONS)
        if words:
            engine.register(fulltext.COMPONENT, fulltext.MIGRATIONS)

    def start(self) -> None:
        """After the engine's. Again: does nothing."""
        if self._working is None:
            self._working = Deferred.fromCoroutine(self._work())
            self._working.addErrback(_ended)

    def stop(self) -> None:
        """For good, and before the engine is closed. Again: does nothing."""
        working, self._working = self._working, None
        if working is not None:
            working.cancel()

    async def _work(self) -> None:
        pause = self.limits.idle_s
        while True:
            await self._sleep(pause)
            pause = self.limits.idle_s
            try:
                while await self.round():
                    await self._breath.take()
            except (CancelledError, EngineError):       # stopped, or closed
                return
            except Refusal as refusal:                  # a full disk, say
                log.warn("no text for search can be kept, will be tried again: {refusal!r}", refusal=refusal)
            except Exception:
                log.failure("making text for search failed, will be tried again")
            else:
                continue
            pause = self.limits.retry_s
            self._begin_again()

    async def round(self) -> bool:
        """Make some texts, or index some words; whether there may be more to do."""
        if not self._todo:
            await self._look()
        made: list[Text] = []
        size = 0
        while self._todo and len(made) < self.limits.together and size < self.limits.together_octets:
            content, octets = self._todo.popleft()
            text = await self._maker.text(content, octets)
            if text is not None:
                made.append(text)
                size += text.size
            await self._breath.take()
        if made:
            await self._write(partial(texts.keep, made=made, version=self._version), size)
            return True
        if self._oldest > 0 or self._todo:
            return True
        if not self._words or not await self._engine.read_async(fulltext.WAITING, (self._version,)):
            return False
        return bool(await self._write(partial(fulltext.index, version=self._version)))

    def _begin_again(self) -> None:
        """With the newest: what is there already is passed over."""
        self._todo.clear()
        self._waiting.clear()
        self._newest = self._oldest = -1

    async def _write(self, job: Callable[..., object], size: int = 0) -> object:
        self._own_jobs += 1
        return await self._engine.submit(job, size)

    async def _look(self) -> None:
        """Find what has no text yet."""
        limits = self.limits
        if self._newest < 0:
            found = await self._engine.read_async("SELECT coalesce(max(id), 0) FROM content")
            self._newest = found[0][0]
            self._oldest = self._newest + 1
        newest, _ = await self._page(texts.NEWER, self._newest)
        self._newest = max(self._newest, newest)
        if not self._todo and self._waiting:
            await self._look_again()
        if not self._todo and self._oldest > 0:
            oldest, seen = await self._page(texts.OLDER, self._oldest)
            self._oldest = oldest if seen else 0
        if len(self._waiting) > limits.page:
            self._waiting = dict(list(self._waiting.items())[-limits.page:])

    async def _page(self, sql: str, beyond: int) -> tuple[int, bool]:
        """The last content looked at, and whether there was any."""
        rows = await self._engine.read_async(sql, (beyond, self.limits.page, self._version))
        for content, octets, references, _ in rows[:-1]:
            self._note(content, octets, references)
        last = rows[-1][0]
        return (beyond, False) if last is None else (last, True)

    async def _look_again(self) -> None:
        waiting, self._waiting = self._waiting, {}
        rows = await self._engine.read_async(texts.THESE, (uid_set(array("q", waiting)),))
        for content, octets, references in rows:
            self._note(content, octets, references, waiting[content] + 1)

    def _note(self, content: int, octets: int | None, references: int, looks: int = 0) -> None:
        if octets is not None and references > 0:
            self._todo.append((content, octets))
        elif looks < self.limits.patience:
            self._waiting[content] = looks

    async def _rest(self) -> None:
        """After a slice: so long that it had its share of the time, and longer while others write much."""
        limits, now = self.limits, self._clock.seconds()
        if now - self._counted > limits.busy_rest_s:
            jobs = self._engine.jobs - self._own_jobs
            self._busy = jobs - self._jobs > limits.busy_jobs_s * (now - self._counted)
            self._jobs, self._counted = jobs, now
        spent = max(now - self._begun, 0.0)
        await self._sleep(limits.busy_rest_s if self._busy else min(spent * (1 / limits.share - 1), limits.busy_rest_s))

    async def _sleep(self, seconds: float) -> None:
        await deferLater(self._clock, seconds)
        self._begun = self._clock.seconds()


def _ended(failure: object) -> None:
    """Cancelled by `stop`."""
