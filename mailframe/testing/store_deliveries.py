"""The store contract about deliveries: one message for many accounts in one call, one outcome for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IDelivers, IJoinedStore, IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, New, NewMailbox, SharedOctets
from mailframe.model.refusal import Refusal

from .cases import cases
from .store_base import MESSAGE, StoreBase

Target = tuple[str, str, New]


class DeliveriesContract(StoreBase):
    """`IDelivers` and `IJoinedStore`, each test by each way that the store provides."""

    async def _deliver(self, way: str, store: IMailStore, targets: Sequence[Target],
                       fresh: Sequence[NewMailbox] = FRESH_ACCOUNT) -> Sequence[Refusal | None]:
        if way == "deliver":
            self.need(IDelivers, store)
            delivers: IDelivers = store     # type: ignore[assignment]
            return await settled(delivers.deliver(targets, fresh))
        self.need(IJoinedStore, store)
        joined: IJoinedStore = store        # type: ignore[assignment]
        job, after = joined.append_unit(targets, fresh)
        outcomes: list[Refusal | None] = await settled(joined.engine.submit(job))
        after()
        return outcomes

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_mail_comes_to_each_where_it_is_meant_to_go(self, way: str) -> None:
        """A missing folder is INBOX, an account never seen is made."""
        store = await self.opened()
        await self.account(store, "ada")
        heads = {name: f"Delivered-To: {name}\r\n".encode() for name in ("ada", "bob", "eve")}
        targets = [("ada", INBOX, New(MESSAGE, heads["ada"], 4, 77)), ("bob", "Junk", New(MESSAGE, heads["bob"])),
                   ("eve", "no such folder", New(MESSAGE, heads["eve"]))]
        self.assertEqual([None] * 3, list(await self._deliver(way, store, targets)))
        for name, folder in (("ada", INBOX), ("bob", "Junk"), ("eve", INBOX)):
            account = await self.account(store, name)
            mailbox = await self.mailbox(account, folder)
            self.assertEqual([heads[name] + MESSAGE], [await self.whole(mailbox, uid) for uid in await self.uids(mailbox)])
            self.assertEqual({box.name for box in FRESH_ACCOUNT}, await self.names(account))
        self.assertEqual({1: 4}, await self.flags(await self.mailbox(await self.account(store, "ada"))))

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_a_new_account_is_made_with_what_is_given(self, way: str) -> None:
        store = await self.opened()
        fresh = (NewMailbox("Only", "\\Junk", True),)
        await self._deliver(way, store, [("new", "Only", New(MESSAGE)), ("new", INBOX, New(MESSAGE))], fresh)
        account = await self.account(store, "new")
        infos = await self.infos(account)
        self.assertEqual({INBOX, "Only"}, set(infos))
        self.assertEqual("\\Junk", infos["Only"].special_use)
        for name in infos:
            self.assertEqual([1], await self.uids(await self.mailbox(account, name)))

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_nothing_to_deliver_is_nothing(self, way: str) -> None:
        self.assertEqual([], list(await self._deliver(way, await self.opened(), [])))

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_one_account_may_be_meant_more_than_once(self, way: str) -> None:
        store = await self.opened()
        octets = SharedOctets(MESSAGE)
        targets = [("ada", folder, New(octets, b"%d\r\n" % n)) for n, folder in enumerate((INBOX, "Archive", INBOX, "no such"))]
        self.assertEqual([None] * 4, list(await self._deliver(way, store, targets)))
        account = await self.account(store, "ada")
        inbox = await self.mailbox(account)
        there = {await self.whole(inbox, uid) for uid in await self.uids(inbox)}
        self.assertEqual({b"%d\r\n" % n + MESSAGE for n in (0, 2, 3)}, there)
        self.assertEqual([1], await self.uids(await self.mailbox(account, "Archive")))

    @cases({f"{count}_by_{way}": (way, count) for way in ("deliver", "joined") for count in (1, 100)})
    async def test_many_recipients(self, way: str, count: int) -> None:
        store = await self.opened()
        octets = SharedOctets(b"x" * 300_000)
        targets = [(f"a{n}", INBOX, New(octets)) for n in range(count)]
        self.assertEqual([None] * count, list(await self._deliver(way, store, targets)))
        for number in (0, count - 1):
            mailbox = await self.mailbox(await self.account(store, f"a{number}"))
            self.assertEqual(octets, await self.whole(mailbox, 1))

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_one_that_is_refused_harms_no_other(self, way: str) -> None:
        store = await self.opened()
        self.need(IContent, store)
        outcomes = await self._deliver(way, store, [
            ("ada", INBOX, New(MESSAGE)), ("bob", INBOX, New("no-such-content")), ("eve", INBOX, New(MESSAGE))])
        self.assertEqual([None, None], [outcomes[0], outcomes[2]])
        self.assertIsInstance(outcomes[1], Refusal)
        counts = [len(await self.uids(await self.mailbox(await self.account(store, name)))) for name in ("ada", "bob", "eve")]
        self.assertEqual([1, 0, 1], counts)

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_a_session_sees_what_was_delivered(self, way: str) -> None:
        store = await self.opened()
        account = await self.account(store)
        mailbox, _ = await self.filled(2, account)
        cursor = (await self.status(mailbox)).cursor
        hints: list[str] = []
        leave = account.subscribe(hints.append)
        await self._deliver(way, store, [("ada", INBOX, New(MESSAGE))])
        self.assertEqual([3], list((await self.changed(mailbox, cursor)).rows.uids))
        self.assertEqual(3, (await self.status(mailbox)).messages)
        leave()

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_what_was_accepted_outlives_the_store(self, way: str) -> None:
        """I1"""
        store = await self.opened()
        await self._deliver(way, store, [(name, INBOX, New(MESSAGE, name.encode() + b"\r\n")) for name in ("ada", "bob")])
        store = await self.reopened(store)
        for name in ("ada", "bob"):
            mailbox = await self.mailbox(await self.account(store, name))
            self.assertEqual(name.encode() + b"\r\n" + MESSAGE, await self.whole(mailbox, 1))

    @cases({"deliver": "deliver", "joined": "joined"})
    async def test_deliveries_at_once_all_arrive(self, way: str) -> None:
        store = await self.opened()
        self.need(IDelivers if way == "deliver" else IJoinedStore, store)
        answers = await self.together(*(
            partial(self._deliver, way, store, [(f"a{(n + more) % 5}", INBOX, New(b"%d" % n)) for more in (0, 1)])
            for n in range(40)))
        self.assertEqual([[None, None]] * 40, [list(answer) for answer in answers])
        there = []
        for number in range(5):
            mailbox = await self.mailbox(await self.account(store, f"a{number}"))
            there += [int(await self.whole(mailbox, uid)) for uid in await self.uids(mailbox)]
        self.assertEqual(sorted([*range(40)] * 2), sorted(there))
