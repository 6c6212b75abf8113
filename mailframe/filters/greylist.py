"""Greylisting: who comes for the first time is asked to come again, which programs that fire and forget do not (RFC 6647)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailframe.interfaces.filter import IRecipientFilter
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Verdict
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.sweeper import Sweeper

from . import greyschema as schema
from .guard import PASS, Guard
from .memory import Memory
from .scope import Scope, network

log = Logger()
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GreylistSettings(Scope):
    """Strangers are asked to come again. Wrong values raise ValueError."""

    roles: tuple[str, ...] = ()            # off: it keeps first messages waiting; ["mx"] turns it on for mail from other servers
    delay_s: float = 120.0                 # no retry before counts; every server's first one comes later (RFC 5321 section 4.5.4.1)
    retry_within_s: float = 2 * _DAY_S     # nor does one later than this; the slowest servers try again within hours
    keep_s: float = 36 * _DAY_S            # a triplet that passed may come at once so long after its last message: monthly lists
    good_after: int = 5                    # so many triplets passed: the whole network may come at once; 0: never
    ipv4_prefix: int = 24                  # retries come from anywhere in the network: providers have many machines
    ipv6_prefix: int = 64                  # the same for IPv6
    most: int = 500_000                    # triplets kept, some 100 octets of disk each; beyond, those that lapse first go
    fresh_s: float = 3_600.0               # what may come at once is not read from disk again for so long
    fresh: int = 20_000                    # so many of these; some 8 MiB when full

    def check(self) -> None:
        """Raises ValueError."""
        if self.retry_within_s <= self.delay_s:
            raise ValueError("retry_within_s must be greater than delay_s")
        if self.most < 10:
            raise ValueError("most must be 10 or greater")


@implementer(IRecipientFilter, ILifecycle)
class Greylist(Guard):
    """Refuses with 451 4.7.1. Rests on an `Engine`; make it before that starts. Users who logged in always pass.

      G1  what is told to come again is on disk before it is told so: a restart makes nobody wait twice (I1).
      G2  what comes often costs no look at the disk, what comes anew one point read.
    """

    name = "greylist"

    def __init__(self, settings: GreylistSettings, engine: Engine, clock: IReactorTime) -> None:
        super().__init__(settings)
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._fresh: Memory[bool] = Memory(settings.fresh)      # networks, and (network, pair), that may come at once
        self._rows = 0
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
        peer, settings = envelope.peer, self._settings
        if peer.account is not None or not self.concerns(peer):
            return PASS
        home, now = network(peer.ip, settings.ipv4_prefix, settings.ipv6_prefix), self._clock.seconds()
        if self._fresh.get(home, now):
            return PASS
        pair = _pair(str(envelope.sender or ""), recipient.address.folded)
        if self._fresh.get((home, pair), now):
            return PASS
        return self._judge(home, pair, now)

    async def _judge(self, home: str, pair: bytes, now: float) -> Verdict:
        settings, engine = self._settings, self._engine
        rows = await engine.query(
            "SELECT c.good, c.lapses, g.first, g.lapses, g.passed FROM (SELECT 1) "
            "LEFT JOIN greylist_client c ON c.network = ?1 LEFT JOIN greylist g ON g.network = ?1 AND g.pair = ?2", (home, pair))
        good, client_lapses, first, lapses, passed = rows[0]
        if settings.good_after and good is not None and good >= settings.good_after and client_lapses > now:
            self._let_in(home, now)
            self._later(engine.submit(lambda con: schema.seen(con, home, now + settings.keep_s)))
            return PASS
        if first is None or lapses <= now:
            await self._note(home, pair, now)
            self._rows += first is None            # one that had lapsed was counted before
            return self._wait(home, settings.delay_s)
        if not passed and now < first + settings.delay_s:
            return self._wait(home, first + settings.delay_s - now)
        self._let_in((home, pair), now)
        self._later(engine.submit(lambda con: schema.passed(con, home, pair, now, now + settings.keep_s)))
        return PASS

    async def _note(self, home: str, pair: bytes, now: float) -> None:
        settings, engine = self._settings, self._engine
        if self._rows >= settings.most:
            self._rows -= await engine.submit(lambda con: schema.make_room(con, min(settings.most // 10, schema.SLICE)))
        await engine.submit(lambda con: schema.note(con, home, pair, now, now + settings.retry_within_s))

    def _wait(self, home: str, seconds: float) -> Verdict:
        return self.refuse(451, "4.7.1", f"Greylisted, please try again in {seconds:.0f} seconds", f"{home} is new")

    def _let_in(self, key: str | tuple[str, bytes], now: float) -> None:
        self._fresh.put(key, True, now + min(self._settings.fresh_s, self._settings.keep_s / 2))

    def _later(self, job: Deferred[None]) -> None:
        """Nobody waits for it: should it be lost, a triplet has to pass once more."""
        job.addErrback(_lost)

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
        return {"waiting": row[0] - int(row[1]), "passed": int(row[1]), "networks that come at once": row[2]}

    async def forget(self, ip: str) -> int:
        """See `Guard`: the whole network."""
        home = network(ip, self._settings.ipv4_prefix, self._settings.ipv6_prefix)
        self._fresh = Memory(self._settings.fresh)
        gone: int = await self._engine.submit(lambda con: schema.forget(con, home))
        self._rows = max(0, self._rows - gone)
        return gone


def _lost(failure: Failure) -> None:
    if isinstance(failure.value, Refusal):
        log.warn("greylist: who passed is not noted now: {why}", why=str(failure.value))
    else:
        log.failure("greylist", failure)


def _pair(sender: str, recipient: str) -> bytes:
    """Sixteen octets for the two: rows stay small, and nobody reads from them who wrote to whom."""
    return blake2b(f"{sender.lower()}\0{recipient}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
