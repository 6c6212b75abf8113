"""What `twistd mailframe` starts: the global reactor, signals, and start-up errors as one sentence with exit code 1."""

from __future__ import annotations

import codecs
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailframe.app.config import Config
from mailframe.app.firstrun import welcome
from mailframe.app.options import Options, configuration  # twistd looks for Options here
from mailframe.app.service import MailService, StartError
from mailframe.app.steady import steady
from mailframe.app.toml import ConfigError

#: Loaded while we may still be root: after that, Python's own folder may be closed to us.
_CODECS = (
    "ascii", "latin-1", "utf-8", "utf-8-sig", "idna", "punycode", "utf-16-be", "utf-7", "us-ascii", "windows-1252",
    "raw_unicode_escape",
)

#: A signal that comes sooner after the first is the same one: `timeout`, and whatever runs a process group, send it twice.
_AGAIN_S = 0.5

log = Logger()


class Console:
    """The terminal of who started us, kept across twistd's fork and its redirection of the standard streams."""

    def __init__(self) -> None:
        self._out, self._err = _copy(1), _copy(2)

    def say(self, text: str) -> None:
        _put(self._out, text)

    def complain(self, sentence: str) -> None:
        _put(self._err, f"mailframe: {sentence}")

    def close(self) -> None:
        for fd in (self._out, self._err):
            if fd is not None:
                os.close(fd)
        self._out = self._err = None


def _copy(fd: int) -> int | None:
    try:
        return os.dup(fd)
    except OSError:
        return None


def _put(fd: int | None, text: str) -> None:
    if fd is None:
        return
    data = (text + "\n").encode("utf-8", "replace")
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(fd, data):]


def _allow_files() -> None:
    """As many file descriptors as we may have. The 1,024 of a login shell are gone, a connection each,
    long before our own limits on connections are met."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Signals:
    """What a signal means from the first moment of a start on: Twisted listens for them only when its loop runs.

    SIGTERM and SIGINT end the server in good order, also while it starts; asked a second time, it waits for no session any more.
    SIGHUP makes it look at certificates and accounts again; in the foreground of a terminal, which is hanging up then, it
    ends the server.
    """

    def __init__(self, reactor: Any, service: MailService) -> None:
        self.asked = 0              # the signal that ends a start, or has begun the stop
        self._asked_at = 0.0        # when the stop began
        self._reactor = reactor
        self._service = service
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:    # nohup's is to ignore it
            signal.signal(signal.SIGHUP, self._hang_up)

    def _end(self, number: int, _: object) -> None:
        if self.asked:
            raise SystemExit(128 + number)      # asked twice: whatever it hangs on, it ends
        self.asked = number

    def started(self) -> None:
        """The start is over; the loop will run in a moment, and then Twisted's own handlers are in place."""
        self._reactor.callWhenRunning(self._running)
        if os.isatty(0) and signal.getsignal(signal.SIGHUP) == self._hang_up:
            signal.signal(signal.SIGHUP, self._stop)

    def _running(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if self.asked:
            asked, self.asked = self.asked, 0
            self._stop(asked, None)

    def _stop(self, number: int, _: object) -> None:
        """Twisted's handlers end the reactor, which takes it ill to be ended twice."""
        now = self._reactor.seconds()
        if self.asked:
            if now - self._asked_at >= _AGAIN_S:
                self._reactor.callFromThread(self._service.hurry)
            return
        self.asked, self._asked_at = number, now
        (self._reactor.sigInt if number == signal.SIGINT else self._reactor.sigTerm)(number)

    def _hang_up(self, _: int, __: object) -> None:
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        if self._service.running:
            self._service.parts.reload()


class NotStarted(Exception):
    """What a daemon tells the process that waits for it. The sentence has been printed and logged by then."""

    def __str__(self) -> str:
        return "the reason stands above and in the log."      # twistd repeats this, cut after 100 octets


def _say_no_more(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """In place of Python's own last words: they would put a traceback into the log."""
    if not isinstance(error, NotStarted):
        sys.__excepthook__(kind, error, trace)


class TwistdMailService(MailService):
    """A `MailService` whose start is over, for better or worse, before twistd says that it is (I1, and section "First run")."""

    def __init__(self, config: Config, reactor: Any, console: Console, pidfile: str | None, daemon: bool) -> None:
        super().__init__(config, reactor)
        self._console = console
        self._pidfile = pidfile
        self._daemon = daemon

    def privilegedStartService(self) -> None:
        self._or_exit(self._prepare_now)

    def startService(self) -> None:
        _allow_files()
        signals = Signals(self.reactor, self)
        self._or_exit(lambda: self._start_now(signals))
        steady(self.reactor)
        self._console.say(welcome(self.config, self.addresses(), self.parts))
        self._console.close()
        signals.started()

    def _prepare_now(self) -> None:
        try:
            self.prepare()
        except Exception as error:
            if self._daemon:        # on a terminal the log is beside the sentence
                log.error("mailframe cannot start: {why}", why=self.explain(error))
            raise

    def _start_now(self, signals: Signals) -> None:
        """Run the reactor by hand until everything is open: before its proper run nothing else would."""
        super().startService()
        outcome: list[Any] = []
        self.started.addBoth(outcome.append)
        self.reactor.getThreadPool().start()
        while not outcome and not signals.asked:
            self.reactor.iterate(0.05)
        if not outcome:
            self.stopService().addBoth(outcome.append)
            while len(outcome) < 2:          # `started` fails, then the stop is done
                self.reactor.iterate(0.05)
            raise StartError(f"stopped by {signal.Signals(signals.asked).name} while it was starting.")
        if outcome[0] is not None:
            outcome[0].raiseException()

    def _or_exit(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._console.complain(self.explain(error))
            if self._daemon:    # twistd's first process waits for an exception's word, and then exits with 1
                sys.excepthook = _say_no_more
                raise NotStarted from None
            self._remove_pidfile()
            raise SystemExit(1) from None

    def _remove_pidfile(self) -> None:
        """twistd leaves its own behind when a start ends with SystemExit."""
        with contextlib.suppress(OSError, ValueError):
            if self._pidfile and int(Path(self._pidfile).read_text()) == os.getpid():
                os.unlink(self._pidfile)


def makeService(options: Options) -> IService:
    """Read and check the configuration; open nothing, for twistd may fork and drop its privileges after this."""
    from twisted.internet import reactor

    for name in _CODECS:
        codecs.lookup(name)
    console = Console()
    try:
        config = configuration(options)
        twistd: Any = options.parent or {"pidfile": None, "nodaemon": True}
        service = TwistdMailService(config, reactor, console, twistd["pidfile"], not twistd["nodaemon"])
    except ConfigError as error:
        console.complain(str(error))
        raise SystemExit(1) from None
    return service


def run_with_reactor(main: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """For a command of one step: run the reactor until ``main(reactor)`` is done; returns or raises what it did.

    An interrupt (Ctrl-C) cancels it, waits for what it lets go of, and raises KeyboardInterrupt.
    """
    from twisted.internet import reactor

    outcome: list[Any] = []

    interrupted: list[bool] = []

    def begin() -> None:
        work = Deferred.fromCoroutine(main(reactor))
        ended: Deferred[None] = Deferred()

        def stopping() -> Deferred[None] | None:
            if outcome:
                return None
            interrupted.append(True)
            work.cancel()
            return ended

        def over(_: Any) -> None:
            ended.callback(None)
            if not interrupted:
                reactor.stop()

        reactor.addSystemEventTrigger("before", "shutdown", stopping)
        work.addBoth(outcome.append).addBoth(over)

    reactor.callWhenRunning(begin)
    reactor.run()
    if interrupted:
        raise KeyboardInterrupt
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]
