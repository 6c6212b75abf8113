"""What a server is made of, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeadlineMissed
from twisted.logger import Logger

from mailframe.app.config import Config
from mailframe.app.control import AnyHandler, ControlFactory
from mailframe.app.control import listen as listen_control
from mailframe.app.explain import explained
from mailframe.app.guardcontrol import handlers as guard_handlers
from mailframe.app.latecontexts import LateContexts
from mailframe.app.queuecontrol import handlers
from mailframe.app.toml import ConfigError
from mailframe.app.tracecontrol import handlers as trace_handlers
from mailframe.app.transfercontrol import Mail
from mailframe.app.transfercontrol import handlers as transfer_handlers
from mailframe.auth.development import DevelopmentAuth
from mailframe.filters.guard import Guard
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.mailbox import FRESH_ACCOUNT, NewMailbox
from mailframe.pipeline.dispatch import Pipeline
from mailframe.queue.runner import Runner
from mailframe.queue.spool import Spool

_log = Logger()

#: How long one part may take to close after a start that failed.
CLOSE_PATIENCE_S = 10.0

#: How long a store may: it writes back what a busy day has left in its log.
STORE_PATIENCE_S = 60.0


@dataclass
class Parts:
    """What a server is made of, in the order in which it starts and, backwards, stops."""

    config: Config
    reactor: Any
    content: Any                                 # IContentStore for what is large; None: that is in the database
    store: Any                                   # IMailStore
    directory: Any                               # IDirectory
    portal: Portal
    pipeline: Pipeline
    spool: Spool
    runner: Runner
    tls: LateContexts
    development: DevelopmentAuth | None
    others: Sequence[object]                     # checkers, filters, agents: started if they are ILifecycle
    titles: Mapping[int, str] = field(default_factory=dict)      # by id(part): what a person calls it
    fresh: tuple[NewMailbox, ...] = FRESH_ACCOUNT                # what a new account is given
    factories: dict[str, Any] = field(default_factory=dict)
    control: Any = None
    keys: Any = None                             # IMailboxKeys
    traces: Any = None                           # Traces
    guards: Sequence[Guard] = ()                 # those that are on; they are among `others`, too
    _closed: bool = False
    _hurried: bool = False
    _waits: list[Deferred[Any]] = field(default_factory=list)    # of a stop under way: what `hurry` ends

    async def start(self) -> None:
        """Open everything; on failure close what was opened. Raises what the failing part raised, in words that name it."""
        try:
            _prepare(self.config.data)
            self.tls.load(self.config.data, self.reactor.seconds())
            if self.content is not None:
                await self._begin(self.content)
            await self.spool.start()
            self.spool.content.require_outside()
            await self._begin(self.store)
            for part in self._others():
                await self._begin(part)
            if self.development is not None:
                _ = self.development.password
            self.control = listen_control(self.reactor, self.config.data, ControlFactory(self._handlers()))
            self.runner.start()
        except BaseException:
            await self._close()
            raise

    def _handlers(self) -> dict[str, AnyHandler]:
        mail = Mail(self.reactor, self.config.data, self.store, self.directory, self.fresh)
        return {**handlers(self.spool, self.runner.wake), **transfer_handlers(mail),
                **trace_handlers(self.traces, self.config.listeners), **guard_handlers(self.guards)}

    async def _begin(self, part: Any) -> None:
        try:
            await settled(part.start())
        except (ConfigError, CancelledError):
            raise
        except Exception as error:
            raise ConfigError(f"{self.title(part)} cannot start: {explained(error)}") from error

    async def stop(self, patience_s: float) -> None:
        """End sessions gracefully, let running hand-overs finish, close the stores; to be called again does nothing.

        Takes at most about `patience_s` for the sessions and as long again for each part that does not close.
        """
        await DeferredList(
            [*(Deferred.fromCoroutine(self._patiently(factory.stop, patience_s, getattr(factory, "cut", _nothing)))
               for factory in self.factories.values()),
             Deferred.fromCoroutine(self._last("the queue's runner", lambda: self._runner_stopped(patience_s), 2 * patience_s))],
            consumeErrors=True)
        await self._close(patience_s)

    def hurry(self) -> bool:
        """Let a stop, under way or to come, wait for no session and no hand-over; whether it was not in a hurry already.

        What was not acknowledged is given up, what was is not (I1).
        """
        first, self._hurried = not self._hurried, True
        for each in tuple(self._waits):
            each.cancel()
        return first

    async def _runner_stopped(self, patience_s: float) -> None:
        await self._patiently(lambda: self.runner.stop(patience_s), 2 * patience_s, lambda: self.runner.stop(0.0))

    async def _patiently(self, step: Callable[[], Any], patience_s: float, cut: Callable[[], Any]) -> None:
        """`step`, and where it takes longer, or is not waited for any more, `cut`: before the stores close under it."""
        stopping = Deferred.fromCoroutine(_called(step))
        self._waits.append(stopping)
        if self._hurried:
            stopping.cancel()
        stopping.addTimeout(patience_s, self.reactor)
        try:
            await stopping
        except (DeadlineMissed, CancelledError):
            await settled(cut())

    def reload(self) -> None:
        """Look at certificates and accounts now, instead of when they are next wanted."""
        for part in (self.tls, *self.others):
            if hasattr(part, "reload"):
                Deferred.fromCoroutine(self._reload(part))

    async def _reload(self, part: Any) -> None:
        try:
            await settled(part.reload())
        except Exception:
            _log.failure("reading again for {part} failed", part=self.title(part))

    def title(self, part: object) -> str:
        return self.titles.get(id(part), type(part).__name__)

    async def _close(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Each part once, whatever happens to the others."""
        if self._closed:
            return
        self._closed = True
        if self.control is not None:
            await self._last("the control socket", self.control.stopListening, patience_s)
            self.control = None
        for part in reversed(self._others()):
            await self._last(self.title(part), part.close, patience_s)
        for part in (self.store, self.spool, *([self.content] if self.content is not None else [])):
            await self._last(self.title(part), part.close, STORE_PATIENCE_S)

    def _others(self) -> list[Any]:
        """Those to be started and closed, each once, though it may play several parts."""
        return [part for part in {id(part): part for part in self.others}.values() if ILifecycle.providedBy(part)]

    async def _last(self, title: str, step: Callable[[], Any], patience_s: float) -> None:
        closing = Deferred.fromCoroutine(_called(step))
        closing.addTimeout(patience_s, self.reactor)
        try:
            await closing
        except DeadlineMissed:
            _log.error("{part} did not close within {patience:g} s", part=title, patience=patience_s)
        except Exception:
            _log.failure("closing {part} failed", part=title)


async def _called(step: Callable[[], Any]) -> Any:
    return await settled(step())


def _prepare(data: Path) -> None:
    """The data folder, for us alone (I9)."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Cannot make the data folder {data}: {error.strerror}.") from None


def _nothing() -> None:
    """Where there is nothing to cut."""
