"""The store contract about shared mailboxes (RFC 4314): default closed, exactly what was granted, durable, and revoked at once."""

from __future__ import annotations

from functools import partial

from mailframe.interfaces.finding import found
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.sharing import IAcl, INamespaces, IRestricted
from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.flags import DELETED, FLAGGED, SEEN, FlagChange
from mailframe.model.mailbox import INBOX, MailboxInfo, New, NewMailbox
from mailframe.model.refusal import Forbidden, NoPermission, NoSuchMailbox
from mailframe.model.rights import EVERY, RightsChange

from .cases import cases
from .store_base import StoreBase

#: Who is granted what, and what bob may do because of it.
GRANTS: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, ""), "to_him": ({"bob": "lr"}, "lr"), "to_another": ({"carol": "lr"}, ""),
    "to_anyone": ({"anyone": "lri"}, "lri"),
    "to_who_logs_in": ({"authenticated": "lr"}, "lr"), "added_up": ({"bob": "l", "anyone": "r", "authenticated": "s"}, "lrs"),
    "denied": ({"bob": "lrw", "-bob": "w"}, "lr"), "denied_of_anyones": ({"anyone": "lrw", "-bob": "lrw"}, ""),
    "denied_to_anyone": ({"bob": "lrw", "-anyone": "w"}, "lr"), "denied_to_another": ({"bob": "lr", "-carol": "lr"}, "lr"),
    "name_in_another_case": ({"BOB": "lr"}, ""), "everything": ({"bob": EVERY}, EVERY),
}


class SharingContract(StoreBase):
    """`IAcl`, where the account provides it. ada shares, bob looks."""

    async def _sharers(self, store: IMailStore | None = None) -> tuple[IAccount, IAcl, IAccount, MailboxInfo]:
        """ada's account twice (as what it is), bob's, and ada's "shared"."""
        store = store or await self.opened()
        ada, bob = await self.account(store), await self.account(store, "bob")
        self.need(IAcl, ada)
        sharing: IAcl = ada         # type: ignore[assignment]
        info = await found(ada, "shared")
        if info is None:
            info = await settled(ada.create(NewMailbox("shared")))
        return ada, sharing, bob, info

    def _foreign(self, bob: IAccount, name: str, owner: str = "ada") -> str:
        spaces: INamespaces = bob   # type: ignore[assignment]
        return f"{spaces.namespaces().others[0]}{owner}/{name}"

    async def _share(self, sharing: IAcl, info: MailboxInfo, identifier: str, rights: str, sign: str = "") -> None:
        await settled(sharing.set_acl(info.id, identifier, RightsChange(sign, rights)))

    async def _visited(self, bob: IAccount, name: str = "shared") -> IMailbox:
        info = await found(bob, self._foreign(bob, name))
        assert info is not None
        return await settled(bob.open_mailbox(info.id))

    @cases(GRANTS)
    async def test_he_may_exactly_what_was_granted(self, grants: dict[str, str], rights: str) -> None:
        _, sharing, bob, shared = await self._sharers()
        for identifier, letters in grants.items():
            await self._share(sharing, shared, identifier, letters)
        info = await found(bob, self._foreign(bob, "shared"))
        self.assertEqual(rights, "" if info is None else info.rights)
        self.assertEqual("l" in rights, self._foreign(bob, "shared") in await self.names(bob))
        self.assertEqual({"ada": EVERY, **grants}, dict(await settled(sharing.acl(shared.id))))
        if info is not None:
            self.assertEqual("ada", info.owner)
            mailbox = await settled(bob.open_mailbox(info.id))
            self.assertTrue(IRestricted.providedBy(mailbox))
            self.assertEqual(rights, await settled(mailbox.rights()))       # type: ignore[attr-defined]

    async def test_own_mailboxes_are_as_if_nothing_were_shared(self) -> None:
        ada, sharing, _, shared = await self._sharers()
        await self._share(sharing, shared, "anyone", EVERY)
        own = (await self.infos(ada)).values()
        self.assertTrue(all(info.rights is None and info.owner is None for info in own))
        self.assertFalse(IRestricted.providedBy(await settled(ada.open_mailbox(shared.id))))
        self.assertIsNone(await found(ada, self._foreign(ada, "shared")))

    async def test_others_read_what_the_owner_has(self) -> None:
        ada, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "lr")
        await self.append(await self.mailbox(ada, "shared"), New(self.octets(1), flags=FLAGGED))
        mailbox = await self._visited(bob)
        self.assertEqual({1: FLAGGED}, await self.flags(mailbox))
        self.assertEqual(self.octets(1), await self.whole(mailbox, 1))
        await self.refused(NoPermission, lambda: mailbox.append([New(b"x")]))
        await self.refused(NoPermission, lambda: mailbox.set_flags([1], FlagChange.add(SEEN), None))
        await self.refused(NoPermission, lambda: mailbox.expunge(None, False))

    async def test_flags_without_their_right_are_left_out(self) -> None:
        _, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "lris")
        mailbox = await self._visited(bob)
        await self.append(mailbox, New(b"x", flags=SEEN | FLAGGED | DELETED))
        self.assertEqual({1: SEEN}, await self.flags(mailbox))
        await settled(mailbox.set_flags([1], FlagChange.replace(FLAGGED), None))
        self.assertEqual({1: 0}, await self.flags(mailbox))

    async def test_what_is_taken_away_is_gone_at_once(self) -> None:
        _, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "lrw")
        mailbox = await self._visited(bob)
        await self._share(sharing, shared, "bob", "r", "-")
        await self.refused(NoPermission, mailbox.status)
        await self._share(sharing, shared, "bob", "", "")
        await self.refused(NoSuchMailbox, mailbox.status)
        self.assertIsNone(await found(bob, self._foreign(bob, "shared")))
        self.assertEqual({"ada": EVERY}, dict(await settled(sharing.acl(shared.id))))

    async def test_a_new_mailbox_of_an_old_name_is_not_shared(self) -> None:
        ada, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "lr")
        mailbox = await self._visited(bob)
        await settled(ada.delete(shared.id))
        again = await settled(ada.create(NewMailbox("shared")))
        self.assertEqual({"ada": EVERY}, dict(await settled(sharing.acl(again.id))))
        self.assertNotIn(self._foreign(bob, "shared"), await self.names(bob))
        await self.refused(NoSuchMailbox, mailbox.status)

    async def test_a_list_goes_along_with_a_renamed_mailbox_and_on_to_new_ones_below(self) -> None:
        ada, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "lrk")
        await settled(ada.rename([(shared.id, "common")]))
        below = await settled(ada.create(NewMailbox("common/below")))
        self.assertEqual({"ada": EVERY, "bob": "lrk"}, dict(await settled(sharing.acl(below.id))))
        made = await settled(bob.create(NewMailbox(self._foreign(bob, "common/deep/er"))))
        self.assertEqual(("lrk", "ada"), (made.rights, made.owner))
        self.assertLessEqual({self._foreign(bob, name) for name in ("common", "common/below", "common/deep", "common/deep/er")},
                             await self.names(bob))
        await self.refused(NoPermission, lambda: bob.delete(made.id))
        await self.refused(NoPermission, lambda: bob.create(NewMailbox(self._foreign(bob, "top"))))

    async def test_the_owner_keeps_all_rights(self) -> None:
        ada, sharing, _, shared = await self._sharers()
        for identifier, sign in (("ada", ""), ("ada", "-"), ("-ada", ""), ("-ada", "+")):
            await self.refused(Forbidden, partial(self._share, sharing, shared, identifier, "lr", sign))
        await self._share(sharing, shared, "-anyone", EVERY)
        self.assertEqual((EVERY, ()), await settled(sharing.grantable(shared.id, "ada")))
        await self.append(await self.mailbox(ada, "shared"), b"x")

    async def test_who_may_administer_may_share_further(self) -> None:
        _, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "la")
        info = await found(bob, self._foreign(bob, "shared"))
        assert info is not None
        theirs: IAcl = bob          # type: ignore[assignment]
        await self._share(theirs, info, "carol", "lr")
        self.assertEqual({"ada": EVERY, "bob": "la", "carol": "lr"}, dict(await settled(theirs.acl(info.id))))
        await self.refused(Forbidden, lambda: self._share(theirs, info, "ada", ""))
        await self._share(theirs, info, "bob", "a", "-")
        await self.refused(NoPermission, lambda: theirs.acl(info.id))

    async def test_hints_reach_who_has_opened_it(self) -> None:
        ada, sharing, bob, shared = await self._sharers()
        await self._share(sharing, shared, "bob", "lr")
        info = await found(bob, self._foreign(bob, "shared"))
        assert info is not None
        heard: list[str] = []
        end = bob.subscribe(heard.append)
        await self.append(await self.mailbox(ada, "shared"), b"x")
        self.assertNotIn(info.id, heard)
        await settled(bob.open_mailbox(info.id))
        await self.append(await self.mailbox(ada, "shared"), b"x")
        self.assertIn(info.id, heard)
        heard.clear()
        await self._share(sharing, shared, "bob", "r", "-")
        self.assertIn(info.id, heard)
        end()
        heard.clear()
        await self.append(await self.mailbox(ada, "shared"), b"x")
        self.assertEqual([], heard)

    async def test_grants_outlive_the_server(self) -> None:
        store = await self.opened()
        _, sharing, _, shared = await self._sharers(store)
        await self._share(sharing, shared, "bob", "lr")
        await self._share(sharing, shared, "-carol", "w")
        again = await self.reopened(store)
        _, sharing, bob, shared = await self._sharers(again)
        self.assertEqual({"ada": EVERY, "-carol": "w", "bob": "lr"}, dict(await settled(sharing.acl(shared.id))))
        self.assertIn(self._foreign(bob, "shared"), await self.names(bob))

    async def test_two_changes_at_once_are_both_made(self) -> None:
        _, sharing, _, shared = await self._sharers()
        await self.together(*(partial(self._share, sharing, shared, "bob", letter, "+") for letter in EVERY))
        self.assertEqual(EVERY, (await settled(sharing.acl(shared.id)))["bob"])

    async def test_the_inbox_can_be_shared_and_is_not_deleted_by_others(self) -> None:
        ada, sharing, bob, _ = await self._sharers()
        inbox = (await self.infos(ada))[INBOX]
        await self._share(sharing, inbox, "bob", EVERY)
        info = await found(bob, self._foreign(bob, "inbox"))
        assert info is not None
        self.assertEqual(self._foreign(bob, INBOX), info.name)
        await self.refused(Forbidden, lambda: bob.delete(info.id))
