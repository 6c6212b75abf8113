"""A disk that fails at each step of a message's way in: a refusal for now, a session that goes on, nothing half kept (I1)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import apsw
from support.crash.world import until
from support.disks import message
from support.faulty_disk import CALLS, FaultyDisk, faulty_disk
from support.faulty_files import FaultyFiles, faulty_files
from support.intakeclient import DOMAIN, FULL, LARGE, PASSWORD, ROLES, SMALL, TROUBLE, WAYS, Client, Code, Way
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService
from mailframe.app.toml import PluginSpec
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from mailframe.filters.greylist import GreylistSettings
from mailframe.filters.guards import GuardsSettings
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.settings import RateSettings, SubmissionSettings
from mailframe.queue.schedule import RetrySettings
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.testing.temporary import TemporaryPlaces


class IntakeTests(TemporaryPlaces, TestCase):
    timeout = 120

    async def serve(self, **parts: Any) -> dict[str, int]:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        for user in ("alice", "bob"):
            add(self.folder / "accounts", f"{user}@{DOMAIN}", hash_password(PASSWORD))
        loopback = "127.0.0.1:0"
        config = Config(
            data=self.folder, domains=(DOMAIN,), hostname="mail.one.example", queue=RetrySettings(first_delay_s=3_600),
            relay=RelaySettings(smarthost=Smarthost("127.0.0.1", 1, tls="none")),
            listeners={"smtp": Listener("mx", loopback), "lmtp": Listener("lmtp", loopback),
                       "submission": Listener("submission", loopback, plaintext_login="loopback")}, **parts)
        self.service = MailService(config, reactor)
        self.service.startService()
        await self.service.started
        self.log: list[str] = []
        globalLogPublisher.addObserver(self.note)
        self.addCleanup(globalLogPublisher.removeObserver, self.note)
        return {name: port for name, (_, port) in self.service.addresses().items()}

    def note(self, event: Any) -> None:
        text = formatEvent(event)
        self.log.append(text + (" Traceback" if event.get("log_failure") else ""))

    async def served(self, story: Callable[..., None], *arguments: Any, **parts: Any) -> None:
        """`story(ports, *arguments)` in a thread, beside a server that has had nothing to be ashamed of at its end."""
        ports = await self.serve(**parts)
        try:
            await deferToThread(story, ports, *arguments)
            self.assertEqual(await self.unfinished(), [])
        finally:
            await self.service.stopService()
        self.assertEqual([line for line in self.log if "Traceback" in line], [])

    # -- a content file --------------------------------------------------------------------------------------------

    async def test_each_step_of_a_content_file(self) -> None:
        with faulty_disk() as disk:
            await self.served(self.each_step, disk)

    def each_step(self, ports: dict[str, int], disk: FaultyDisk) -> None:
        for role in ROLES:
            for way in WAYS:
                self.steps(ports, disk, role, way)

    def steps(self, ports: dict[str, int], disk: FaultyDisk, role: str, way: Way) -> None:
        with ExitStack() as stack:
            client, other = (stack.enter_context(Client.of(role, ports)) for _ in range(2))
            other.data(message("first", LARGE))         # makes the folder's leaves
            other.begin()
            other.expect(354, b"DATA")
            before = self.files()
            for call in CALLS:
                for number, expected in ((errno.ENOSPC, FULL), (errno.EIO, TROUBLE)):
                    disk.arm(call, number)
                    replies = way(client, message(f"{role} {call} {number}", LARGE))
                    disk.disarm()
                    self.refused(replies, expected, role, call, way)
                    until(lambda: self.files() == before)
            self.taken(other.ended(message("other", SMALL)))
            self.taken(way(client, message("after", LARGE)))

    # -- the database ----------------------------------------------------------------------------------------------

    async def test_each_write_of_a_commit(self) -> None:
        with faulty_files("intake-files") as files:
            await self.served(self.each_write, files, LARGE)

    async def test_each_write_of_content_in_pieces(self) -> None:
        with faulty_files("intake-pieces") as files:
            await self.served(self.each_write, files, LARGE, content=PluginSpec("sqlite"))

    def each_write(self, ports: dict[str, int], files: FaultyFiles, large: int) -> None:
        for role in ROLES:
            for way in WAYS:
                self.writes(ports, files, role, way)

    def writes(self, ports: dict[str, int], files: FaultyFiles, role: str, way: Way) -> None:
        with ExitStack() as stack:
            client, other = (stack.enter_context(Client.of(role, ports)) for _ in range(2))
            other.begin()
            other.expect(354, b"DATA")
            for octets in (SMALL, LARGE):
                for fault, expected in (("full", FULL), ("input_output", TROUBLE)):
                    for moment in ("begun", "ending")[:1 + (way is Client.chunked)]:
                        setattr(client, moment, partial(files.arm, fault))
                        replies = way(client, message(f"{role} {fault} {moment}", octets))
                        files.disarm()
                        delattr(client, moment)
                        self.refused(replies, expected, role, fault, octets, way, moment)
            self.taken(other.ended(message("other", SMALL)))
            self.taken(way(client, message("after", LARGE)))

    # -- what is noted beside a message ----------------------------------------------------------------------------

    async def test_triplets_counts_and_the_queue(self) -> None:
        """The greylist lets in whom it cannot note, until it can again; what cannot be saved is saved later."""
        greylist = GreylistSettings(roles=("mx",), loopback=True, delay_s=0.1, good_after=0)
        rates = RateSettings(messages_per_day=1_000, on_loopback=True, save_s=0.05)
        with faulty_files("intake-notes") as files:
            await self.served(
                self.notes, files, guards=GuardsSettings(greylist=greylist),
                pipeline=PipelineSettings(submission=SubmissionSettings(rates=rates)))

    def notes(self, ports: dict[str, int], files: FaultyFiles) -> None:
        with Client.of("smtp", ports) as stranger, Client.of("submission", ports) as user:
            def asks(sender: str) -> bytes:
                stranger.expect(250, b"RSET")
                stranger.expect(250, f"MAIL FROM:<{sender}@far.example>".encode())
                return stranger.say(b"RCPT TO:<bob@one.example>")[1][:10]

            self.assertEqual(asks("first"), b"451 4.7.1 ")
            self.taken(user.data(message("before", SMALL), ["bob@one.example"]))
            files.arm("full")
            self.assertEqual(asks("second"), b"250 2.1.5 ")
            until(lambda: asks("first").startswith(b"250"))
            stranger.expect(354, b"DATA")
            self.refused(stranger.ended(message("passed", SMALL)), FULL)
            user.begin(["bob@one.example"])         # counted already: it cannot be saved
            until(lambda: any("cannot be saved now" in line for line in self.log))
            user.expect(354, b"DATA")
            self.refused(user.ended(message("full", SMALL)), FULL)
            files.disarm()
            self.assertEqual(asks("second"), b"451 4.7.1 ")
            self.assertEqual(asks("first"), b"250 2.1.5 ")
            self.taken(user.data(message("after", SMALL), ["bob@one.example"]))
            until(lambda: self.counted() == 2)

    def counted(self) -> int:
        with apsw.Connection(str(self.folder / "mailframe.db")) as connection:
            rows = connection.execute("SELECT current + previous FROM sent_counts WHERE kind = 1").fetchall()
        return int(rows[0][0]) if rows else 0

    # -- what is the case ------------------------------------------------------------------------------------------

    def refused(self, replies: list[Code], expected: tuple[int, bytes], *where: object) -> None:
        for code, text in replies:
            self.assertEqual((code, text[3:10]), expected, (where, text))

    def taken(self, replies: list[Code]) -> None:
        for code, text in replies:
            self.assertEqual(code, 250, text)

    def files(self) -> list[str]:
        """Content that is being staged or is kept, and what is open of it for writing."""
        content = self.folder / "content"
        opened = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        return sorted([path.name for path in content.rglob("*") if path.is_file()]
                      + [path for path in opened if path.startswith(str(content / "staging"))])

    async def unfinished(self) -> list[tuple[Any, ...]]:
        """Contents in the database that nobody will ever finish, and that no sweep before the next start finds."""
        await self.service.parts.spool.content.sweep()
        return [*self.service.parts.spool.engine.read("SELECT id, since FROM content WHERE size IS NULL")]
