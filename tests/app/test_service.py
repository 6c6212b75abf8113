"""MailService in somebody's process: starting, failing, stopping, and starting again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.folders import CleanTestCase
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer

from mailframe.app import service as service_module
from mailframe.app.config import Config, Listener
from mailframe.app.latecontexts import LateContexts
from mailframe.app.service import MailService, StartError
from mailframe.app.toml import ConfigError
from mailframe.interfaces.filter import IConnectionFilter
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.verdict import Pass
from mailframe.stores.memory import MemoryStore

DAY = 86_400.0


@implementer(ILifecycle, IConnectionFilter)
class Part:
    """A part whose life is watched."""

    def connection(self, peer: Any) -> Pass:
        return Pass()

    def __init__(self, start: Any = None, close: Any = None) -> None:
        self.events: list[str] = []
        self._start, self._close = start, close

    def start(self) -> Any:
        self.events.append("start")
        return self._start() if self._start else None

    def close(self) -> Any:
        self.events.append("close")
        return self._close() if self._close else None


def broken() -> None:
    raise RuntimeError("out of order")


class Greeted(Protocol):
    def __init__(self) -> None:
        self.greeting: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.greeting.called:
            self.greeting.callback(data)


class ServiceTests(CleanTestCase):
    def make(self, *filters: object, **listeners: Listener) -> MailService:
        config = Config(
            development=True, data=Path(self.mktemp()).absolute(),
            listeners=listeners or {"pop3": Listener("pop3", "0", plaintext_login="loopback"), "smtp": Listener("smtp", "0")},
            parts={"filters": filters})
        service = MailService(config, reactor)
        self.addCleanup(service.stopService)
        return service

    async def greeting(self, service: MailService, name: str = "pop3") -> bytes:
        _, port = service.addresses()[name]
        client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Greeted())
        try:
            return await client.greeting
        finally:
            client.transport.abortConnection()

    async def test_it_starts_stops_and_starts_again(self) -> None:
        part = Part()
        service = self.make(part)
        for _ in range(2):
            service.startService()
            await service.started
            self.assertTrue((await self.greeting(service)).startswith(b"+OK"))
            await service.stopService()
            self.assertEqual(service.addresses(), {})
        self.assertEqual(part.events, ["start", "close"] * 2)

    async def test_stopping_twice_at_once_and_again_later_is_stopping_once(self) -> None:
        part = Part()
        service = self.make(part)
        service.startService()
        await service.started
        one, two = service.stopService(), service.stopService()
        await one
        await two
        await service.stopService()
        self.assertEqual(part.events, ["start", "close"])

    async def test_one_that_was_never_started_stops_as_well(self) -> None:
        await self.make().stopService()

    async def test_a_stop_during_the_start_ends_it_and_leaves_nothing_open(self) -> None:
        part, after = Part(start=Deferred), Part()
        service = self.make(part, after)
        service.startService()
        while part.events != ["start"]:          # the database is opened in its own thread before
            turn: Deferred[None] = Deferred()
            reactor.callLater(0, turn.callback, None)  # type: ignore[attr-defined]
            await turn
        started = service.started
        ended = service.stopService()
        with self.assertRaises(CancelledError):
            await started
        await ended
        self.assertEqual((part.events, after.events), (["start", "close"], ["close"]))
        self.assertEqual(service.addresses(), {})

    async def test_a_part_that_does_not_start_is_named_and_all_others_are_closed(self) -> None:
        first, second = Part(), Part(start=broken)
        service = self.make(first, second)
        service.startService()
        with self.assertRaisesRegex(ConfigError, "^Part cannot start: out of order.$"):
            await service.started
        self.assertEqual((first.events, second.events), (["start", "close"], ["start", "close"]))
        self.assertEqual(service.addresses(), {})

    async def test_parts_that_fail_or_hang_at_the_end_keep_no_other_from_closing(self) -> None:
        self.patch(service_module, "STOP_PATIENCE_S", 0.01)
        parts = Part(), Part(close=Deferred), Part(close=broken), Part()
        service = self.make(*parts)
        service.startService()
        await service.started
        with capturedLogs() as events:
            await service.stopService()
        self.assertEqual([part.events for part in parts], [["start", "close"]] * 4)
        self.assertFalse(list(service.config.data.glob("*-wal")), "the database, last of all")
        said = " ".join(str(formatEvent(event)) for event in events)
        self.assertIn("did not close within", said)
        self.assertIn("closing Part failed", said)
        self.assertTrue(self.flushLoggedErrors(RuntimeError))

    async def test_a_port_that_is_taken_frees_those_already_bound(self) -> None:
        other = self.make()
        other.startService()
        await other.started
        taken = other.addresses()["pop3"][1]
        service = self.make(smtp=Listener("smtp", "0"), pop3=Listener("pop3", str(taken)))
        with self.assertRaisesRegex(StartError, f"{taken}.*another program has this port"):
            service.prepare()
        self.assertEqual(service.addresses(), {})

    async def test_it_joins_and_leaves_a_parent_that_runs(self) -> None:
        parent = MultiService()
        parent.startService()
        service = self.make()
        service.setServiceParent(parent)
        await service.started
        self.assertTrue(await self.greeting(service, "smtp"))
        await service.disownServiceParent()
        self.assertEqual(service.addresses(), {})
        await parent.stopService()

    async def test_ready_made_parts_are_used_and_closed(self) -> None:
        store = MemoryStore()
        config = Config(development=True, data=Path(self.mktemp()).absolute(), parts={"storage": store},
                        listeners={"pop3": Listener("pop3", "0")})
        service = MailService(config, reactor)
        service.startService()
        await service.started
        self.assertIs(service.parts.store, store)
        await service.stopService()


class OwnCertificateTests(CleanTestCase):
    def test_a_server_that_runs_for_a_year_renews_its_own_certificate(self) -> None:
        from OpenSSL import SSL

        clock, folder = Clock(), Path(self.mktemp())
        clock.advance(1_800_000_000)
        late = LateContexts((), clock)
        late.load(folder, clock.seconds())
        files = folder / "tls" / "localhost.pem"
        first = files.read_bytes()
        clock.advance(300 * DAY)
        self.assertIsInstance(late.serverConnectionForTLS(None), SSL.Connection)
        self.assertEqual(files.read_bytes(), first, "good for long enough")
        clock.advance(60 * DAY)
        self.assertIsInstance(late.serverConnectionForTLS(None), SSL.Connection)
        self.assertNotEqual(files.read_bytes(), first)
