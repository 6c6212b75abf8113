"""A store that has forgotten old expunges: whoever comes from before them is told all the same (RFC 7162 section 3.2.5.2)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from support.imap_talk import Talk
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mailframe.model.mailbox import New
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor


class ShortLogTests(TemporaryPlaces, TestCase):
    async def begun(self) -> Talk:
        """2,600 messages, of which the first 2,500 go while "away" is away, "quiet" and "plain" look on, and the log is cut."""
        engine = Engine(Path(self.mktemp()) / "mail.db", reactor)
        self.store = SqliteStore(engine, reactor, settings=SqliteSettings(expunged_kept=1_000))
        talk = Talk(reactor, self.store)
        await talk.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(talk.stop()))
        await talk.give([New(b"x")] * 2_600)
        self.talk = talk
        for who in ("away", "quiet"):
            await self.say(who, "ENABLE QRESYNC")
        selected = await self.say("away", "SELECT INBOX")
        self.uidvalidity, self.modseq = (re.search(rf"\[{code} (\d+)\]", selected)[1]       # type: ignore[index]
                                         for code in ("UIDVALIDITY", "HIGHESTMODSEQ"))
        await self.say("away", "UNSELECT")
        for who in ("quiet", "plain", "doer"):
            await self.say(who, "SELECT INBOX")
        await self.say("doer", "UID STORE 1:2500 +FLAGS.SILENT (\\Deleted)")
        for first in range(1, 2_500, 500):
            await self.say("doer", f"UID EXPUNGE {first}:{first + 499}")
        await self.say("doer", "UID STORE 2600 +FLAGS.SILENT (\\Flagged)")
        await self.store.sweep()
        self.assertIsNone(await (await talk.mailbox()).changes(int(self.modseq)))
        return talk

    async def say(self, who: str, command: str) -> str:
        client = await self.talk.client(who)
        return (await client.say(b"t", command.encode())).decode()

    def news(self, answer: str) -> list[str]:
        lines = [line for line in answer.split("\r\n") if re.match(r"\* (VANISHED|\d+ (FETCH|EXPUNGE))", line)]
        return [re.sub(r"MODSEQ \(\d+\)", "MODSEQ", line) for line in lines]

    def gone(self, answer: str) -> list[int]:
        """The UIDs of all VANISHED lines that are not of earlier ones."""
        ranges = re.findall(r"(\d+)(?::(\d+))?", ",".join(re.findall(r"\* VANISHED ([\d:,]+)", answer)))
        return sorted(uid for first, last in ranges for uid in range(int(first), int(last or first) + 1))

    async def test_a_client_that_comes_back_is_told_of_every_expunge(self) -> None:
        await self.begun()
        flagged = "* 100 FETCH (UID 2600 FLAGS (\\Flagged) MODSEQ)"
        back = f"SELECT INBOX (QRESYNC ({self.uidvalidity} {self.modseq}"
        self.assertEqual(["* VANISHED (EARLIER) 1:2500", flagged], self.news(await self.say("away", back + "))")))
        await self.say("away", "UNSELECT")
        self.assertEqual(["* VANISHED (EARLIER) 100:200,2500", flagged],
                         self.news(await self.say("away", back + " 100:200,2500:2600))")))
        self.assertEqual(["* VANISHED (EARLIER) 7:9,11", flagged], self.news(
            await self.say("away", f"UID FETCH 7:9,11,2501:* (FLAGS) (CHANGEDSINCE {self.modseq} VANISHED)")))

    async def test_sessions_that_looked_on_are_told_of_every_expunge(self) -> None:
        await self.begun()
        answer = await self.say("quiet", "NOOP")
        self.assertEqual(list(range(1, 2_501)), self.gone(answer))
        self.assertEqual("* 100 FETCH (UID 2600 FLAGS (\\Flagged) MODSEQ)", self.news(answer)[-1])
        told = self.news(await self.say("plain", "NOOP"))
        self.assertEqual(2_500, sum(line.endswith(" EXPUNGE") for line in told))
        self.assertEqual(["* 100 FETCH (FLAGS (\\Flagged))"], told[2_500:])
        self.assertIn("* 1 FETCH (UID 2501)", await self.say("plain", "FETCH 1 (UID)"))

    async def test_nothing_that_was_not_told_is_taken_for_known(self) -> None:
        """I6: between commands that may not tell an expunge, HIGHESTMODSEQ does not pass it."""
        await self.begun()
        self.assertEqual([], [line for line in self.news(await self.say("plain", "FETCH 2600 (UID)")) if "EXPUNGE" in line])
        told = await self.say("quiet", "FETCH 2600 (UID)")
        self.assertNotIn("VANISHED", told)
        self.assertEqual(list(range(1, 2_501)), self.gone(await self.say("quiet", "NOOP")))
