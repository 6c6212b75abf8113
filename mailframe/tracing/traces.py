"""The log of whole sessions: one `Traces` for a server, one `Trace` for each session that is chosen."""

from __future__ import annotations

import re
from itertools import count

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .choices import Choice, TraceSettings

log = Logger(namespace="mailframe.trace")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")
_HELD_LINES = 100          # of a session that may yet be chosen by its login, which comes early
_HELD_SESSIONS = 200       # of these: with lines cut at 500 octets 10 MiB at most


class Traces:
    """Who is chosen, and how many are under way. While nobody is (`active` is false) a session need not ask."""

    def __init__(self, settings: TraceSettings, clock: IReactorTime) -> None:
        self.settings = settings
        self.clock = clock
        self.active = False
        self._choices: list[Choice] = settings.choices()
        self._numbers = count(1)
        self.running = 0
        self.held = 0
        self._look()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Those in force."""
        self._look()
        return tuple(self._choices)

    def add(self, choice: Choice) -> None:
        """For sessions that begin from now on."""
        self._choices.append(choice)
        self._look()

    def clear(self) -> int:
        """Choose nobody any more, sessions under way are traced to their end; how many choices there were."""
        self._look()
        gone = len(self._choices)
        self._choices.clear()
        self._look()
        return gone

    def begin(self, protocol: str, ip: str, listener: str) -> Trace | None:
        """A session's trace, None if it is not chosen or too many are."""
        self._look()
        if any(each.covers(protocol, ip, listener) for each in self._choices):
            if self.running >= self.settings.max_sessions:
                return None
            trace = Trace(self, protocol, next(self._numbers), ip, listener, held=False)
        elif self.held < _HELD_SESSIONS and any(
            each.kind == "account" and each.protocol in ("", protocol) for each in self._choices
        ):
            trace = Trace(self, protocol, next(self._numbers), ip, listener, held=True)
        else:
            return None
        return trace

    def wants(self, protocol: str, account: str) -> bool:
        """Whether the session of `account` is chosen, and there is room for it."""
        return self.running < self.settings.max_sessions and any(
            each.covers_account(protocol, account) for each in self._choices)

    def _look(self) -> None:
        now = self.clock.seconds()
        self._choices = [each for each in self._choices if each.until is None or each.until > now]
        self.active = bool(self._choices)


class Trace:
    """One session's lines. What they may show is their protocol's care: no secret is ever handed over (I9)."""

    def __init__(self, traces: Traces, protocol: str, number: int, ip: str, listener: str, *, held: bool) -> None:
        self._traces = traces
        self._protocol = protocol
        self._name = f"{protocol}-{number}"
        self._begun = traces.clock.seconds()
        self._lines = 0
        self._over = False
        self._waiting: list[str] | None = [] if held else None
        self._count(1)
        self.line("-", f"session of {ip or 'a local socket'} at {listener or 'a listener without a name'} begins")

    def line(self, who: str, text: str) -> None:
        """``C`` said it (the client), ``S`` (the server), or it happened (``-``)."""
        if self._over:
            return
        most = self._traces.settings.max_line_octets
        shown = _NOT_ASCII.sub(_escaped, text if len(text) <= most else f"{text[:most]}... ({len(text)})")
        line = f"trace {self._name} +{self._traces.clock.seconds() - self._begun:.3f} {who}: {shown}"
        if self._waiting is None:
            self._write(line)
        elif len(self._waiting) < _HELD_LINES:
            self._waiting.append(line)

    def logged_in(self, account: str) -> None:
        """If it was only waited for whether a chosen account would log in, it is known now."""
        waiting = self._waiting
        if waiting is not None and self._traces.wants(self._protocol, account):
            self._count(-1)
            self._waiting = None
            self._count(1)
            for line in waiting:
                self._write(line)
        self.line("-", f"logged in as {account}")

    def end(self) -> None:
        """The connection is gone."""
        if not self._over:
            self.line("-", "session ends")
            self._stop()

    def _write(self, line: str) -> None:
        if self._over:
            return
        self._lines += 1
        if self._lines > self._traces.settings.max_lines:
            line = f"trace {self._name}: no more of this session, it is too long"
            self._stop()
        log.info("{line}", line=line)

    def _stop(self) -> None:
        self._over = True
        self._count(-1)
        if self._waiting is not None:
            self._waiting.clear()

    def _count(self, step: int) -> None:
        if self._waiting is None:
            self._traces.running += step
        else:
            self._traces.held += step


def _escaped(match: re.Match[str]) -> str:
    """What cannot be printed, which might end a line or turn it round, as Python writes it."""
    return match[0] if match[0].isprintable() else match[0].encode("unicode_escape").decode("ascii")
