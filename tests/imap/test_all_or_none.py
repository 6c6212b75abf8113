"""What cannot be done whole is not done: refusals of COPY, MOVE and STORE leave everything as it was."""

from __future__ import annotations

from typing import Any

from support.bare_store import BareStore
from support.imap_talk import Talk, message
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, Field, New
from mailframe.model.refusal import OverQuota
from mailframe.stores.memory import MemoryStore
from mailframe.stores.memory_mailbox import MemoryMailbox

reactor: Any = the_reactor


class AllOrNone(TestCase):
    async def talk(self, store: IMailStore, count: int = 3) -> Any:
        self.world = Talk(reactor, store)
        await self.world.start()
        self.addCleanup(lambda: ensureDeferred(self.world.stop()))
        await self.world.give([New(message(number), size=len(message(number))) for number in range(1, count + 1)])
        client = await self.world.client("1")
        await client.say(b"s", b"SELECT INBOX")
        return client

    async def count(self, name: str) -> int:
        return (await (await self.world.mailbox(name)).status()).messages

    async def test_a_copy_that_is_over_quota_copies_nothing(self) -> None:
        client = await self.talk(BareStore())
        self.refuse_appends()
        self.assertIn(b"a NO [OVERQUOTA]", await client.say(b"a", b"COPY 1:3 Archive"))
        self.assertEqual(await self.count("Archive"), 0)

    async def test_a_move_whose_copy_is_refused_expunges_nothing(self) -> None:
        client = await self.talk(BareStore())
        self.refuse_appends()
        answer = await client.say(b"a", b"MOVE 1:3 Archive")
        self.assertIn(b"a NO [OVERQUOTA]", answer)
        self.assertNotIn(b"EXPUNGE", answer)
        self.assertEqual(await self.count("INBOX"), 3)

    def refuse_appends(self) -> None:
        async def append(*arguments: object) -> object:
            raise OverQuota

        self.patch(MemoryMailbox, "append", append)

    async def test_a_keyword_too_many_is_refused_and_nothing_is_stored(self) -> None:
        client = await self.talk(MemoryStore())
        words = b" ".join(b"word%d" % number for number in range(56))
        self.assertIn(b"a OK", await client.say(b"a", b"STORE 1 +FLAGS.SILENT (" + words + b")"))
        self.assertIn(b"b NO [LIMIT]", await client.say(b"b", b"STORE 2 +FLAGS (\\Seen one.more)"))
        self.assertIn(b"* 2 FETCH (FLAGS (", await client.say(b"c", b"FETCH 2 FLAGS"))
        rows = await (await self.world.mailbox()).rows([(2, 2)], 1, Field.FLAGS)
        self.assertEqual(rows.flags[0], 0)

    async def test_keywords_go_along_to_a_mailbox_that_numbers_them_otherwise(self) -> None:
        client = await self.talk(BareStore())
        await (await self.world.mailbox("Archive")).keywords(("Other", "second"))
        await client.say(b"a", b"STORE 2 FLAGS (First Second \\Flagged)")
        self.assertIn(b"b OK [COPYUID", await client.say(b"b", b"COPY 1:2 Archive"))
        await client.say(b"c", b"SELECT Archive")
        answer = await client.say(b"d", b"FETCH 1:2 FLAGS")
        self.assertIn(b"second", answer)
        self.assertIn(b"First", answer)
        self.assertNotIn(b"Other", answer)

    async def test_a_target_deleted_meanwhile_is_offered_to_be_made(self) -> None:
        client = await self.talk(MemoryStore())
        account = await self.world.store.open_account("alice", FRESH_ACCOUNT)
        archive = await self.world.mailbox("Archive")

        async def copy(*arguments: object) -> object:
            await account.delete(archive.id)
            return await real(*arguments)

        inbox: Any = await self.world.mailbox()
        real = inbox.copy
        self.patch(inbox, "copy", copy)
        self.assertIn(b"a NO [TRYCREATE]", await client.say(b"a", b"COPY 1 Archive"))
