"""The store contract about annotations (RFC 5464): whose they are, all or none, durable, and never another mailbox's."""

from __future__ import annotations

from collections.abc import Collection

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import IMetadata
from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.model.mailbox import INBOX, NewMailbox
from mailframe.model.refusal import LimitReached, NoSuchMailbox, OverQuota

from .cases import cases
from .store_base import StoreBase

_COMMENT, _OWN = "/shared/comment", "/private/comment"
#: Values that a store might confuse with none, cut short or bend.
VALUES: dict[str, bytes] = {
    "empty": b"", "word": b"note", "nil": b"NIL", "lines": b"one\r\ntwo\r\n", "quotes": b'"\\"', "utf8": "Grüße".encode(),
    "any_octets": bytes(range(256)), "nul": b"\0", "least_that_must_fit": b"x" * 1_024,
}


class MetadataContract(StoreBase):
    """`IMetadata`, where the account provides it."""

    async def _annotated(self, store: IMailStore | None = None, name: str = "ada") -> tuple[IAccount, IMetadata, str]:
        """With INBOX's id."""
        account = await self.account(store, name)
        self.need(IMetadata, account)
        metadata: IMetadata = account       # type: ignore[assignment]
        return account, metadata, (await self.infos(account))[INBOX].id

    async def _of(self, metadata: IMetadata, mailbox_id: str | None, actor: str = "ada") -> dict[str, bytes]:
        try:
            return dict(await settled(metadata.metadata(mailbox_id, actor)))
        except NoSuchMailbox:
            return {}

    async def test_a_new_mailbox_has_no_annotations(self) -> None:
        account, metadata, inbox = await self._annotated()
        made = await settled(account.create(NewMailbox("new")))
        self.assertEqual([{}, {}, {}], [await self._of(metadata, each) for each in (inbox, made.id, None)])

    @cases({name: (value,) for name, value in VALUES.items()})
    async def test_a_value_comes_back_as_it_was_set(self, value: bytes) -> None:
        _, metadata, inbox = await self._annotated()
        for mailbox_id in (inbox, None):
            await settled(metadata.set_metadata(mailbox_id, "ada", {_OWN: value, _COMMENT: b"other"}))
            self.assertEqual({_OWN: value, _COMMENT: b"other"}, await self._of(metadata, mailbox_id))

    async def test_entries_are_replaced_and_removed_together(self) -> None:
        _, metadata, inbox = await self._annotated()
        await settled(metadata.set_metadata(inbox, "ada", {_OWN: b"1", _COMMENT: b"2"}))
        await settled(metadata.set_metadata(inbox, "ada", {_OWN: None, _COMMENT: b"3", "/private/never/there": None}))
        self.assertEqual({_COMMENT: b"3"}, await self._of(metadata, inbox))
        await settled(metadata.set_metadata(inbox, "ada", {_COMMENT: None}))
        self.assertEqual({}, await self._of(metadata, inbox))

    async def test_private_entries_are_seen_by_their_owner_alone(self) -> None:
        _, metadata, inbox = await self._annotated()
        for mailbox_id in (inbox, None):
            await settled(metadata.set_metadata(mailbox_id, "ada", {_OWN: b"ada's", _COMMENT: b"everybody's"}))
            self.assertEqual({_COMMENT: b"everybody's"}, await self._of(metadata, mailbox_id, "bob"))
            await settled(metadata.set_metadata(mailbox_id, "bob", {_OWN: b"bob's", _COMMENT: b"changed"}))
            self.assertEqual({_OWN: b"ada's", _COMMENT: b"changed"}, await self._of(metadata, mailbox_id))
            self.assertEqual({_OWN: b"bob's", _COMMENT: b"changed"}, await self._of(metadata, mailbox_id, "bob"))

    async def test_the_server_is_the_same_from_every_account_and_mailboxes_are_not(self) -> None:
        store = await self.opened()
        _, ada, inbox = await self._annotated(store)
        _, bob, bobs = await self._annotated(store, "bob")
        await settled(ada.set_metadata(None, "ada", {_OWN: b"ada's", _COMMENT: b"shared"}))
        await settled(ada.set_metadata(inbox, "ada", {_COMMENT: b"of ada's mailbox"}))
        self.assertEqual({_COMMENT: b"shared"}, await self._of(bob, None, "bob"))
        self.assertEqual({}, await self._of(bob, bobs, "bob"))

    async def test_they_stay_with_a_renamed_mailbox(self) -> None:
        account, metadata, _ = await self._annotated()
        made = await settled(account.create(NewMailbox("old")))
        await settled(metadata.set_metadata(made.id, "ada", {_OWN: b"1"}))
        await settled(account.rename([(made.id, "new")]))
        again = await settled(account.create(NewMailbox("old")))
        self.assertEqual([{_OWN: b"1"}, {}], [await self._of(metadata, made.id), await self._of(metadata, again.id)])

    async def test_they_go_with_a_deleted_mailbox(self) -> None:
        account, metadata, _ = await self._annotated()
        made = await settled(account.create(NewMailbox("name")))
        await settled(metadata.set_metadata(made.id, "ada", {_OWN: b"1", _COMMENT: b"2"}))
        await settled(account.delete(made.id))
        self.assertEqual({}, await self._of(metadata, made.id))
        with self.assertRaises(NoSuchMailbox):
            await settled(metadata.set_metadata(made.id, "ada", {_OWN: b"1"}))
        again = await settled(account.create(NewMailbox("name")))
        self.assertEqual({}, await self._of(metadata, again.id))

    async def test_they_outlive_the_store(self) -> None:
        store = await self.opened()
        _, metadata, inbox = await self._annotated(store)
        await settled(metadata.set_metadata(inbox, "ada", {_OWN: b"1", _COMMENT: b"\0"}))
        await settled(metadata.set_metadata(None, "ada", {_OWN: b"2"}))
        _, metadata, inbox = await self._annotated(await self.reopened(store))
        self.assertEqual({_OWN: b"1", _COMMENT: b"\0"}, await self._of(metadata, inbox))
        self.assertEqual({_OWN: b"2"}, await self._of(metadata, None))

    async def test_there_is_a_limit_and_nothing_is_set_beyond_it(self) -> None:
        _, metadata, inbox = await self._annotated()
        for mailbox_id in (inbox, None):
            for number in range(10):
                await settled(metadata.set_metadata(mailbox_id, "ada", {f"/private/vendor/x/{number}": b"y" * 1_024}))
            before = await self._of(metadata, mailbox_id)
            self.assertEqual(10, len(before))
            too_many: dict[str, bytes | None] = {f"/private/vendor/many/{number}": b"" for number in range(100_000)}
            for entries in (too_many, {"/private/a": b"1", "/private/big": bytes(1 << 24)}):
                with self.assertRaises((LimitReached, OverQuota)):
                    await settled(metadata.set_metadata(mailbox_id, "ada", entries))
                self.assertEqual(before, await self._of(metadata, mailbox_id))

    async def test_a_listener_hears_of_what_its_actor_may_see(self) -> None:
        _, metadata, inbox = await self._annotated()
        heard: list[tuple[str, str | None, list[str]]] = []

        def listens(actor: str) -> None:
            def listener(mailbox_id: str | None, names: Collection[str]) -> None:
                heard.append((actor, mailbox_id, sorted(names)))
            ends.append(metadata.watch_metadata(actor, listener))

        ends: list[object] = []
        listens("ada")
        listens("bob")
        await settled(metadata.set_metadata(inbox, "ada", {_OWN: b"1", _COMMENT: b"2"}))
        self.assertEqual([("ada", inbox, [_OWN, _COMMENT]), ("bob", inbox, [_COMMENT])], sorted(heard))
        heard.clear()
        await settled(metadata.set_metadata(None, "bob", {_OWN: None}))
        self.assertEqual([("bob", None, [_OWN])], heard)
        for end in ends:
            end()       # type: ignore[operator]
        heard.clear()
        await settled(metadata.set_metadata(inbox, "ada", {_COMMENT: b"3"}))
        self.assertEqual([], heard)
