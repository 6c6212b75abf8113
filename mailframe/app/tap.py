"""What `twistd mailframe` starts: options, the global reactor, and start-up errors as one sentence with exit code 1."""

from __future__ import annotations

import codecs
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python import usage
from twisted.python.failure import Failure

from mailframe.app.config import DEVELOPMENT_LISTENERS, SERVER_LISTENERS, Config, Listener, TlsConfig, load, relative_to
from mailframe.app.firstrun import welcome
from mailframe.app.service import MailService, StartError
from mailframe.app.steady import steady
from mailframe.app.toml import ConfigError, PluginSpec
from mailframe.relay.settings import RelaySettings, Smarthost

#: Loaded while we may still be root: after that, Python's own folder may be closed to us.
_CODECS = (
    "ascii", "latin-1", "utf-8", "utf-8-sig", "idna", "punycode", "utf-16-be", "utf-7", "us-ascii", "windows-1252",
    "raw_unicode_escape",
)


log = Logger()


class Options(usage.Options):
    """Every option is also a setting of the configuration file; see docs/configuration.md."""

    synopsis = "[options]"
    longdesc = (
        "Without --config, --domain, --auth and --relay this is development mode: it listens on loopback only, accepts mail "
        "for every address, lets nothing leave the machine, and prints an account to try. An ENDPOINT is a port (2525), an "
        "address (127.0.0.1:2525), a Twisted endpoint string (tcp:2525:interface=127.0.0.1), or \"off\". "
        "A NAME is a plugin's, as \"mailframe plugins\" lists them, or package.module:Factory; ARGUMENT is its first setting."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "Read this TOML file."],
        ["data", "d", None, "Keep everything in this folder (default: mailframe-data)."],
        ["hostname", None, None, "The server's own name (default: this machine's)."],
        ["storage", None, None, "Where mailboxes rest, NAME or NAME:ARGUMENT (default: sqlite)."],
        ["delivery", None, None, "What takes mail for our own accounts, NAME or NAME:ARGUMENT (default: mailbox)."],
        ["directory", None, None, "Who has an address here, NAME or NAME:ARGUMENT (default: the first --auth that knows)."],
        ["relay", None, None, "Hand mail for others to this host, HOST or HOST:PORT (default: their MX hosts)."],
        ["certificate", None, None, "PEM file with the TLS certificate and its chain."],
        ["key", None, None, "PEM file with the certificate's private key."],
        ["smtp", None, None, "ENDPOINT for mail from other servers (default: 25; development: 1025)."],
        ["submission", None, None, "ENDPOINT for our users' mail, STARTTLS (default: 587; development: 1587)."],
        ["submissions", None, None, "ENDPOINT for our users' mail, TLS (default: 465; development: 1465)."],
        ["imap", None, None, "ENDPOINT for IMAP, STARTTLS (default: 143; development: 1143)."],
        ["imaps", None, None, "ENDPOINT for IMAP, TLS (default: 993; development: 1993)."],
        ["pop3", None, None, "ENDPOINT for POP3, STLS (default: 110; development: 1110)."],
        ["pop3s", None, None, "ENDPOINT for POP3, TLS (default: 995; development: 1995)."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["domains"] = []
        self["auth"] = []
        self["filters"] = []

    def opt_domain(self, name: str) -> None:
        """Mail for this domain is ours; may be given several times."""
        self["domains"].append(name)

    def opt_auth(self, spec: str) -> None:
        """Who may log in: NAME or NAME:ARGUMENT (file:ACCOUNTS); may be given several times."""
        self["auth"].append(spec)

    def opt_filter(self, spec: str) -> None:
        """Judge incoming mail with this filter, NAME or NAME:ARGUMENT; may be given several times."""
        self["filters"].append(spec)

    def opt_version(self) -> None:
        """Print mailframe's version and exit."""
        from mailframe import __version__

        print(f"mailframe {__version__}")
        raise SystemExit(0)


def configuration(options: Options) -> Config:
    """The configuration that the options mean. Raises ConfigError."""
    given: dict[str, Any] = {}
    if options["config"]:
        config = load(Path(options["config"]).absolute())
    else:
        given["development"] = not (options["domains"] or options["auth"] or options["relay"])
        given["base"] = Path.cwd()
        given["hostname"] = ""
        config = Config(development=True)
    given |= _plain(options)
    defaults = dict(config.listeners) if options["config"] else dict(
        DEVELOPMENT_LISTENERS if given["development"] else SERVER_LISTENERS)
    for name in SERVER_LISTENERS:
        if options[name] == "off":
            defaults.pop(name, None)
        elif options[name]:
            like = defaults.get(name) or SERVER_LISTENERS[name]
            defaults[name] = Listener(like.role, options[name], like.tls, like.plaintext_login)
    config = replace(config, listeners=defaults, **given)
    return relative_to(config, Path.cwd() if not options["config"] else config.base)


def _plain(options: Options) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if options["data"]:
        given["data"] = Path(options["data"]).absolute()
    if options["hostname"]:
        given["hostname"] = options["hostname"]
    if options["domains"]:
        given["domains"] = tuple(options["domains"])
    for name in ("storage", "delivery", "directory"):
        if options[name]:
            given[name] = PluginSpec.short(options[name])
    for name in ("auth", "filters"):
        if options[name]:
            given[name] = tuple(PluginSpec.short(spec) for spec in options[name])
    if options["certificate"] or options["key"]:
        if not (options["certificate"] and options["key"]):
            raise ConfigError("--certificate and --key belong together, and one of them is missing.")
        given["tls"] = TlsConfig(Path(options["certificate"]).absolute(), Path(options["key"]).absolute())
    if options["relay"]:
        given["relay"] = _smarthost(options["relay"])
    return given


def _smarthost(text: str) -> RelaySettings:
    try:
        return RelaySettings(smarthost=Smarthost.short(text))
    except ValueError as error:
        raise ConfigError(f"--relay: {error}.") from None


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

    SIGTERM and SIGINT end the server in good order, also while it starts. SIGHUP makes it look at certificates and accounts
    again; in the foreground of a terminal, which is hanging up then, it ends the server.
    """

    def __init__(self, reactor: Any, service: MailService) -> None:
        self.asked = 0              # the signal that ends a start
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
            signal.signal(signal.SIGHUP, self._reactor.sigTerm)

    def _running(self) -> None:
        signal.signal(signal.SIGINT, self._reactor.sigInt)
        if self.asked == signal.SIGINT:
            self._reactor.sigInt(self.asked)
        elif self.asked:
            self._reactor.sigTerm(self.asked)

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
        steady()
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
    """For a command of one step: run the reactor until ``main(reactor)`` is done; returns or raises what it did."""
    from twisted.internet import reactor

    outcome: list[Any] = []

    def begin() -> None:
        Deferred.fromCoroutine(main(reactor)).addBoth(outcome.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]
