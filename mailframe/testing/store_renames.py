"""The store contract about renaming: many at once, in any shape, all or none; who was what stays what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.model.mailbox import INBOX
from mailframe.model.refusal import MailboxExists, NoSuchMailbox

from .cases import cases
from .store_base import StoreBase

#: Those that are there, from -> to, and what each old name is called then (INBOX comes again, empty, where it left).
SHAPES: dict[str, tuple[Sequence[str], Sequence[tuple[str, str]]]] = {
    "one": (("a",), (("a", "b"),)),
    "nothing": (("a",), ()),
    "to_its_own_name": (("a",), (("a", "a"),)),
    "only_the_case": (("notes",), (("notes", "Notes"),)),
    "only_the_normal_form": (("e\u0301",), (("e\u0301", "\u00e9"),)),
    "a_swap": (("a", "b"), (("a", "b"), ("b", "a"))),
    "a_cycle_of_three": (("a", "b", "c"), (("a", "b"), ("b", "c"), ("c", "a"))),
    "a_cycle_of_nine": (tuple("abcdefghi"), tuple(zip("abcdefghi", "bcdefghia", strict=True))),
    "a_chain_from_its_end": (("a", "b"), (("b", "c"), ("a", "b"))),
    "a_chain_from_its_beginning": (("a", "b"), (("a", "b"), ("b", "c"))),
    "with_children": (("a", "a/x", "a/x/y", "ab"), (("a", "b"), ("a/x", "b/x"), ("a/x/y", "b/x/y"))),
    "children_first": (("a", "a/x", "a/x/y"), (("a/x/y", "b/x/y"), ("a/x", "b/x"), ("a", "b"))),
    "a_child_alone": (("a", "a/x"), (("a/x", "x"),)),
    "a_parent_alone": (("a", "a/x"), (("a", "b"),)),
    "below_itself": (("a",), (("a", "a/a"),)),
    "below_itself_with_children": (("a", "a/x"), (("a", "a/a"), ("a/x", "a/a/x"))),
    "one_level_up": (("a", "a/a", "a/a/x"), (("a", "old"), ("a/a", "a"), ("a/a/x", "a/x"))),
    "parent_and_child_change_places": (("a", "a/x"), (("a", "a/x"), ("a/x", "a"))),
    "two_trees_change_places": (("a", "a/x", "b", "b/x"), (("a", "b"), ("a/x", "b/x"), ("b", "a"), ("b/x", "a/x"))),
    "many": (tuple(f"a/{n}" for n in range(30)), tuple((f"a/{n}", f"b/{n}") for n in range(30))),
    "inbox": ((), ((INBOX, "Old"),)),
    "inbox_below_itself": ((), ((INBOX, "INBOX/Old"),)),
    "inbox_with_another": (("a",), ((INBOX, "Old"), ("a", "b"))),
    "inbox_and_another_change_places": (("a",), ((INBOX, "a"), ("a", INBOX))),
    "another_becomes_inbox": (("a",), ((INBOX, "Old"), ("a", INBOX))),
    "a_child_of_inbox": (("INBOX/a",), (("INBOX/a", "a"),)),
}
_GONE = "?"     # for the id of a mailbox that never was
REFUSED: dict[str, tuple[Sequence[str], Sequence[tuple[str, str]], type[BaseException]]] = {
    "onto_another": (("a", "b"), (("a", "b"),), MailboxExists),
    "onto_inbox": (("a",), (("a", INBOX),), MailboxExists),
    "two_to_one_name": (("a", "b"), (("a", "c"), ("b", "c")), MailboxExists),
    "the_last_onto_another": (("a", "b", "c"), (("a", "x"), ("b", "c")), MailboxExists),
    "the_first_onto_another": (("a", "b", "c"), (("a", "c"), ("b", "x")), MailboxExists),
    "a_swap_broken_by_a_third": (("a", "b", "c"), (("a", "b"), ("b", "c")), MailboxExists),
    "one_that_never_was": (("a",), ((_GONE, "x"),), NoSuchMailbox),
    "the_last_never_was": (("a",), (("a", "x"), (_GONE, "y")), NoSuchMailbox),
    "the_first_never_was": (("a",), ((_GONE, "y"), ("a", "x")), NoSuchMailbox),
    "inbox_and_one_that_never_was": ((), ((INBOX, "Old"), (_GONE, "y")), NoSuchMailbox),
}
Known = dict[str, tuple[str, int, int, bytes]]      # by name: id, UIDVALIDITY, UIDNEXT, its only message


class RenamesContract(StoreBase):
    """`IAccount.rename`."""

    async def _built(self, store: IMailStore, names: Sequence[str]) -> tuple[IAccount, Known]:
        """INBOX and `names`, each with a message that holds its name, and one that is gone; all subscribed."""
        account = await self.account(store, fresh=())
        for name in (INBOX, *names):
            mailbox = await self.mailbox(account, name)
            await self.append(mailbox, name.encode(), b"gone")
            await self.expunge(mailbox, [2])
            await settled(account.set_subscribed(name, True))
        return account, await self._known(account)

    async def _known(self, account: IAccount) -> Known:
        known: Known = {}
        for name, info in (await self.infos(account)).items():
            mailbox = await settled(account.open_mailbox(info.id))
            status = await self.status(mailbox)
            mail = [await self.whole(mailbox, uid) for uid in await self.uids(mailbox)]
            self.assertEqual(status.messages, len(mail))
            known[name] = info.id, status.uidvalidity, status.uidnext, b"".join(mail)
        return known

    def _expected(self, before: Known, moves: Sequence[tuple[str, str]]) -> Known:
        called = dict(moves)
        return {called.get(name, name): known for name, known in before.items()}

    def _same(self, expected: Known, after: Known, before: Mapping[str, object]) -> None:
        inbox = after[INBOX]
        if INBOX not in expected:
            self.assertNotIn(inbox[0], [known[0] for known in before.values() if isinstance(known, tuple)], "the id is new")
            self.assertEqual((1, b""), inbox[2:], "a renamed INBOX leaves an empty one behind (RFC 3501 section 6.3.5)")
            self.assertNotIn(inbox[1], [known[1] for known in before.values() if isinstance(known, tuple)], "UIDVALIDITY is new")
            expected = {**expected, INBOX: inbox}
        self.assertEqual(expected, after)

    @cases(SHAPES)
    async def test_renaming(self, names: Sequence[str], moves: Sequence[tuple[str, str]]) -> None:
        """Ids, UIDs, UIDVALIDITY and mail stay; subscriptions are of names, and stay with these."""
        account, before = await self._built(await self.opened(), names)
        await settled(account.rename([(before[old][0], new) for old, new in moves]))
        self._same(self._expected(before, moves), await self._known(account), before)
        self.assertEqual({INBOX, *names}, set((await settled(account.mailboxes())).subscribed))

    @cases(SHAPES)
    async def test_renaming_outlives_the_store(self, names: Sequence[str], moves: Sequence[tuple[str, str]]) -> None:
        store = await self.opened()
        account, before = await self._built(store, names)
        await settled(account.rename([(before[old][0], new) for old, new in moves]))
        after = await self._known(account)
        again = await self._known(await self.account(await self.reopened(store), fresh=()))
        self._same(self._expected(before, moves), again, before)
        self.assertEqual(after, again)

    @cases(REFUSED)
    async def test_renaming_is_refused_and_changes_nothing(
        self, names: Sequence[str], moves: Sequence[tuple[str, str]], refusal: type[BaseException],
    ) -> None:
        account, before = await self._built(await self.opened(), names)
        ids = {name: known[0] for name, known in before.items()} | {_GONE: "999999999"}
        await self.refused(refusal, lambda: account.rename([(ids[old], new) for old, new in moves]))
        self.assertEqual(before, await self._known(account))

    @cases(SHAPES)
    async def test_renaming_there_and_back_is_as_before(self, names: Sequence[str], moves: Sequence[tuple[str, str]]) -> None:
        account, before = await self._built(await self.opened(), names)
        ids = [(before[old][0], old, new) for old, new in moves]
        await settled(account.rename([(each, new) for each, _, new in ids]))
        created = (await self._known(account)).keys() - dict(moves).values() - (before.keys() - dict(moves).keys())
        for name in created:        # the INBOX that came again makes room; another comes in its place, and makes room, too
            aside = (await self.infos(account))[name].id
            await settled(account.rename([(aside, "aside"), *[(each, old) for each, old, _ in ids]]))
            await settled(account.delete(aside))
        if not created:
            await settled(account.rename([(each, old) for each, old, _ in ids]))
        self.assertEqual(before, await self._known(account))

    async def test_an_open_mailbox_goes_on_under_its_new_name(self) -> None:
        account = await self.account(fresh=())
        mailbox = await self.mailbox(account, "a")
        await settled(account.rename([(mailbox.id, "b")]))
        uids = await self.append(mailbox, b"mail")
        self.assertEqual(uids, await self.uids(await self.mailbox(account, "b")))
        self.assertEqual(1, (await self.status(mailbox)).messages)

    async def test_a_name_that_was_left_is_free_for_another(self) -> None:
        account = await self.account(fresh=())
        old = await self.mailbox(account, "a")
        uidvalidity = (await self.status(old)).uidvalidity
        await settled(account.rename([(old.id, "b")]))
        new = await self.mailbox(account, "a")
        self.assertNotEqual(old.id, new.id)
        self.assertNotEqual(uidvalidity, (await self.status(new)).uidvalidity)
