"""Greylisting: who comes for the first time is asked to come again, which programs that fire and forget do not (RFC 6647)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import apsw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.interfaces.filter import IRecipientFilter
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.pattern import AddressPatterns
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Verdict
from mailframe.pacing.deadline import within
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.sweeper import Sweeper

from . import greyschema as schema
from .dnslists import DnsLists
from .guard import PASS, Guard, log
from .homes import home_of
from .memory import Memory
from .scope import Scope, network

_DAY_S = 86_400.0
_FAULTS = (Refusal, OSError, apsw.Error)     # what the engine raises; TimeoutError is an OSError
_COMPLAIN_S = 60.0      # a database that fails is in the log so often


@dataclass(frozen=True, slots=True, kw_only=True)
class GreylistSettings(Scope):
    """Strangers are asked to come again. Wrong values raise ValueError."""

    roles: tuple[str, ...] = ()            # off: it keeps first messages waiting; ["mx"] turns it on for mail from other servers
    delay_s: float = 120.0                 # no retry before counts; every server's first one comes later (RFC 5321 section 4.5.4.1)
    retry_within_s: float = 2 * _DAY_S     # nor does one later than this; the slowest servers try again within hours
    keep_s: float = 36 * _DAY_S            # a triplet that passed may come at once so long after its last message: monthly lists
    good_after: int = 5                    # so many triplets passed: the whole network may come at once; 0: never
    suspects_only: bool = False            # true: who has a confirmed name ([guards.reverse]) and no bad weight may come at once
    exempt_recipients: tuple[str, ...] = ()  # who waits for nobody: "desk@example.org", "*@alerts.example.org"
    by_name: bool = True                   # hosts whose confirmed names are below one domain are one network: large providers retry
                                           # from anywhere; not where the name is made of the address, as a customer's is
    ipv4_prefix: int = 24                  # retries come from anywhere in the network: providers have many machines
    ipv6_prefix: int = 64                  # the same for IPv6
    timeout_s: float = 5.0                 # for the database; when it cannot say, or fails, the mail is let in
    most: int = 500_000                    # triplets kept, some 100 octets of disk each; beyond, those that lapse first go
    fresh_s: float = 3_600.0               # what may come at once is not read from disk again for so long
    fresh: int = 20_000                    # so many of these; some 8 MiB when full

    def check(self) -> None:
        """Raises ValueError."""
        if self.retry_within_s <= self.delay_s:
            raise ValueError("retry_within_s must be greater than delay_s")
        if self.most < 10:
            raise ValueError("most must be 10 or greater")
        if not self.timeout_s:
            raise ValueError("timeout_s must be greater than 0")
        try:
            AddressPatterns.parse(self.exempt_recipients)
        except ValueError as error:
            raise ValueError(f'exempt_recipients: {error}; write "desk@example.org" or "*@example.org"') from None


@implementer(IRecipientFilter, ILifecycle)
class Greylist(Guard):
    """Refuses with 451 4.7.1. Rests on an `Engine`; make it before that starts. Users who logged in always pass.

      G1  what is told to come again is on disk before it is told so: a restart makes nobody wait twice (I1).
      G2  what comes often costs no look at the disk, what comes anew one point read.
      G3  what fails here keeps no mail waiting: it is let in.
    """

    name = "greylist"

    def __init__(self, settings: GreylistSettings, engine: Engine, clock: IReactorTime, lists: DnsLists | None = None) -> None:
        """`clock` is that of the wall, for its times outlive the server; `lists` say who is trusted, or suspected."""
        super().__init__(settings)
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._lists = lists
        self._at_ease = AddressPatterns.parse(settings.exempt_recipients)
        self._fresh: Memory[bool] = Memory(settings.fresh)      # networks, and (network, pair), that may come at once
        self._rows = 0
        self._unjudged = 0
        self._complain_at = 0.0
        self._sweeper = Sweeper("the greylist", self.sweep, clock)
        engine.register(schema.COMPONENT, schema.MIGRATIONS)

    async def start(self) -> None:
        """See `ILifecycle`."""
        await self._engine.start()
        self._rows = await self._engine.submit(schema.number)
        self._sweeper.start()

    async def close(self) -> None:
        """See `ILifecycle`. The engine is its owner's to close."""
        self._sweeper.stop()

    def recipient(self, envelope: Envelope, recipient: Recipient) -> Verdict | Awaitable[Verdict]:
        """See `IRecipientFilter`."""
        peer = envelope.peer
        if peer.account is not None or not self.concerns(peer):
            return PASS
        home, now = self._home(peer), self._clock.seconds()
        if self._fresh.get(home, now):
            return PASS
        pair = _pair(str(envelope.sender or ""), recipient.address.folded)
        if self._fresh.get((home, pair), now) or (self._at_ease and recipient.address in self._at_ease):
            return PASS
        return self._bounded(peer, home, pair, now)

    def _home(self, peer: Peer) -> str:
        settings = self._settings
        return home_of(peer.ip, peer.name if settings.by_name else "", settings.ipv4_prefix, settings.ipv6_prefix)

    async def _bounded(self, peer: Peer, home: str, pair: bytes, now: float) -> Verdict:
        """G3."""
        lists, settings = self._lists, self._settings
        if lists is not None and await lists.trusts(peer):
            return PASS
        if settings.suspects_only and peer.name and (lists is None or await lists.weight(peer) <= 0):
            return PASS
        try:
            wait = await within(settings.timeout_s, self._clock, self._wait_s(home, pair, now))
        except _FAULTS as error:
            self._failed(error)
            return PASS
        if wait is None:
            return PASS
        return self.refuse(peer, 451, "4.7.1", f"Greylisted, please try again in {wait:.0f} seconds", f"{home} is new")

    def _failed(self, error: BaseException | None) -> None:
        self._unjudged += 1
        now = self._clock.seconds()
        if not 0 <= self._complain_at - now <= _COMPLAIN_S:
            self._complain_at = now + _COMPLAIN_S
            log.error("guard=greylist cannot use its database, and lets everybody in: {error}",
                      error=getattr(error, "detail", "") or error)

    async def _wait_s(self, home: str, pair: bytes, now: float) -> float | None:
        """For how many seconds a triplet is to stay away; None: it may come. Raises what the engine raises."""
        settings, engine = self._settings, self._engine
        rows = await engine.query(
            "SELECT c.good, c.lapses, g.first, g.lapses, g.passed FROM (SELECT 1) "
            "LEFT JOIN greylist_client c ON c.network = ?1 LEFT JOIN greylist g ON g.network = ?1 AND g.pair = ?2", (home, pair))
        good, client_lapses, first, lapses, passed = rows[0]
        if settings.good_after and good is not None and good >= settings.good_after and client_lapses > now:
            self._let_in(home, now)
            self._later(engine.submit(lambda con: schema.seen(con, home, now + settings.keep_s)))
            return None
        if first is None or lapses <= now or (not passed and first > now):      # the clock was set back
            await self._note(home, pair, now)
            self._rows += first is None            # one that had lapsed was counted before
            return settings.delay_s
        if not passed and now < first + settings.delay_s:
            return float(first + settings.delay_s - now)
        self._let_in((home, pair), now)
        self._later(engine.submit(lambda con: schema.passed(con, home, pair, now, now + settings.keep_s)))
        return None

    async def _note(self, home: str, pair: bytes, now: float) -> None:
        settings, engine = self._settings, self._engine
        if self._rows >= settings.most:
            self._rows -= await engine.submit(lambda con: schema.make_room(con, min(settings.most // 10, schema.SLICE)))
        await engine.submit(lambda con: schema.note(con, home, pair, now, now + settings.retry_within_s))

    def _let_in(self, key: str | tuple[str, bytes], now: float) -> None:
        self._fresh.put(key, True, now + min(self._settings.fresh_s, self._settings.keep_s / 2))

    def _later(self, job: Deferred[None]) -> None:
        """Nobody waits for it: should it be lost, a triplet has to pass once more."""
        def lost(failure: Failure) -> None:
            self._failed(failure.value)

        job.addErrback(lost)

    async def sweep(self) -> int:
        """Remove what has lapsed, in slices between which others' jobs have their turn; returns how many rows."""
        now, gone, slice_ = self._clock.seconds(), 0, (1, 0)
        while any(slice_):
            slice_ = await self._engine.submit(lambda con: schema.sweep(con, now))
            self._rows = max(0, self._rows - slice_[0])
            gone += sum(slice_)
        return gone

    async def told(self) -> Mapping[str, int]:
        """See `Guard`."""
        await self._engine.submit(lambda _: None)       # after what nobody has waited for
        (row,) = await self._engine.query(
            "SELECT count(*), total(passed), (SELECT count(*) FROM greylist_client WHERE good >= ?) FROM greylist",
            (self._settings.good_after or 1 << 31,), bulk=True)
        told = {"waiting": row[0] - int(row[1]), "passed": int(row[1]), "networks that come at once": row[2]}
        return {**told, **({"let in unjudged": self._unjudged} if self._unjudged else {})}

    async def known(self, who: str) -> Sequence[str]:
        """See `Guard`: of the whole network, or of a domain's pool of hosts."""
        home = self._meant(who)
        await self._engine.submit(lambda _: None)
        (row,) = await self._engine.query(
            "SELECT count(*), total(passed), (SELECT good FROM greylist_client WHERE network = ?1) "
            "FROM greylist WHERE network = ?1", (home,), bulk=True)
        if not row[0] and row[2] is None:
            return ()
        words = f"{home}: {row[0] - int(row[1])} waiting, {int(row[1])} passed"
        at_once = self._settings.good_after and (row[2] or 0) >= self._settings.good_after
        return (f"{words}; comes at once" if at_once else words,)

    async def forget(self, who: str) -> int:
        """See `Guard`: the whole network, or a domain's pool of hosts."""
        home = self._meant(who)
        self._fresh = Memory(self._settings.fresh)
        gone, rows = await self._engine.submit(lambda con: schema.forget(con, home))
        self._rows = max(0, self._rows - rows)
        return int(gone)

    def _meant(self, who: str) -> str:
        """An operator's address as the network where it is counted; a domain stays as it is."""
        return network(who.lower(), self._settings.ipv4_prefix, self._settings.ipv6_prefix)


def _pair(sender: str, recipient: str) -> bytes:
    """Sixteen octets for the two: rows stay small, and nobody reads from them who wrote to whom."""
    return blake2b(f"{sender.lower()}\0{recipient}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
