"""The store contract about names: whatever the framework lets through comes back as it was given, and never meets another."""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailboxFinder
from mailframe.model.mailbox import INBOX, NewMailbox
from mailframe.model.refusal import MailboxExists

from .cases import cases
from .store_base import MESSAGE, StoreBase

NAMES = {
    "plain": "Notes", "lower": "notes", "one_letter": "A", "digit": "0", "number": "1234567890", "negative_number": "-7",
    "umlaut": "Entwürfe", "composed": "\u00e9", "decomposed": "e\u0301", "japanese": "受信/日本語", "arabic": "البريد",
    "hebrew": "דואר נכנס", "emoji": "\U0001f4ec", "emoji_family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "plane_16": "\U0010fffd",
    "last_of_plane_0": "\ufffd", "sharp_s": "Straße", "dotless_i": "ılık", "dotted_capital_i": "İstanbul", "kelvin": "\u212a",
    "right_to_left_mark": "a\u200fb", "byte_order_mark": "\ufeffa", "no_break_space": "a\u00a0b", "ligature": "ﬁle",
    "inner_space": "a b", "leading_space": " lead", "trailing_space": "trail ", "two_spaces": "a  b", "dot": ".", "two_dots": "..",
    "three_dots": "...", "dot_within": "a.b", "leading_dot": ".hidden", "trailing_dot": "a.", "dots_doubled": "a..b",
    "path_upwards": "../../etc/passwd", "path_inside": "a/../b", "absolute_windows": "C:\\mail", "single_quote": "a'b",
    "double_quote": 'a"b', "backslash": "a\\b", "trailing_backslash": "a\\", "wildcards": "%*", "question": "a?b",
    "brackets": "[a]{b}",
    "option": "-rf", "tilde": "~", "home": "~root", "dollar": "$HOME", "backtick": "`id`", "semicolon": "a;DROP TABLE mailbox",
    "comment": "a--b", "hash": "#news", "colon": "a:b", "flags_of_maildir": "a:2,S", "comma": "a,b", "equals": "a=b", "plus": "a+b",
    "ampersand": "a&b", "utf7_like": "Entw&APw-rfe", "ampersand_alone": "&", "percent_encoded": "a%2Fb", "percent": "100%",
    "html": "<b>&amp;</b>", "pipe": "a|b", "parentheses": "(a)", "device": "con", "device_with_child": "nul/aux", "new": "new",
    "tmp": "tmp", "cur": "cur", "null_word": "NULL", "nil_word": "NIL", "true_word": "true", "json": '{"a":[1]}',
    "inbox_child": "INBOX/child",
    "inbox_like": "inbox2", "inbox_as_child": "a/INBOX", "deep": "/".join("abcdefghijklmnop"), "long": "x" * 200,
    "long_umlauts": "ü" * 110, "long_levels": "/".join(["y" * 80] * 4), "levels_alike": "a/a/a/a",
}
#: Names that some file systems, databases or folding take for one.
PAIRS = {
    "case": ("Notes", "notes"), "case_of_umlauts": ("ÄRGER", "Ärger"), "composed_and_decomposed": ("\u00e9", "e\u0301"),
    "sharp_s": ("Straße", "Strasse"), "turkish_i": ("I", "ı"), "kelvin": ("K", "\u212a"), "ligature": ("ﬁle", "file"),
    "level_and_dot": ("a/b", "a.b"), "level_and_backslash": ("a/b", "a\\b"), "trailing_space": ("a", "a "),
    "leading_space": ("a", " a"),
    "trailing_dot": ("a", "a."), "percent": ("a/b", "a%2Fb"), "percent_again": ("a%2Fb", "a%252Fb"),
    "utf7": ("Entwürfe", "Entw&APw-rfe"),
    "ampersand": ("a&b", "a&-b"), "underscore": ("a_b", "a-b"), "wildcard": ("ab", "a%"), "no_break_space": ("a b", "a\u00a0b"),
    "numbers": ("1", "01"), "parent_and_child": ("a", "a/b"), "child_of_inbox": ("INBOX/a", "a"), "empty_like": ("0", "None"),
    "wide_letters": ("Ａ", "A"), "greek_and_latin": ("Α", "A"), "zero_width": ("ab", "a\u200bb"),
    "levels_shifted": ("a/b/c", "a/b.c"),
}
ACCOUNTS = {
    "address": "ada@example.org", "upper": "ADA@example.org", "upwards": "../up", "level": "a/b", "umlaut": "Ünï", "dot": ".",
    "dots": "..",
    "space": "a b", "quote": "o'hara", "percent": "a%40b", "wildcard": "%", "long": "x" * 150, "emoji": "\U0001f4ec",
    "backslash": "a\\b",
    "number": "1", "option": "-rf", "star": "*", "decomposed": "e\u0301", "japanese": "受信",
}
USES = {name.lower(): f"\\{name}" for name in ("All", "Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash", "Important")}


class NamesContract(StoreBase):
    """Names of mailboxes and of accounts, special uses, subscriptions."""

    @cases(NAMES)
    async def test_a_mailbox_of_this_name_lives(self, name: str) -> None:
        """Made, listed, found, filled, refused a second time, subscribed, deleted, made again."""
        account = await self.account(fresh=())
        mailbox = await self.mailbox(account, name)
        await self.append(mailbox, MESSAGE)
        infos = await self.infos(account)
        self.assertEqual({INBOX, name}, set(infos))
        self.assertEqual(mailbox.id, infos[name].id)
        if IMailboxFinder.providedBy(account):
            self.assertEqual(infos[name], await settled(account.find_mailbox(name)))
        await self.refused(MailboxExists, lambda: account.create(NewMailbox(name)))
        self.assertEqual(MESSAGE, await self.whole(await self.mailbox(account, name), 1))
        await settled(account.set_subscribed(name, True))
        await settled(account.delete(mailbox.id))
        self.assertEqual({INBOX}, await self.names(account))
        self.assertEqual({name}, set((await settled(account.mailboxes())).subscribed))
        again = await self.mailbox(account, name)
        self.assertNotEqual(mailbox.id, again.id)
        self.assertEqual([], await self.uids(again))

    @cases(NAMES)
    async def test_a_mailbox_is_renamed_to_this_name_and_away(self, name: str) -> None:
        account = await self.account(fresh=())
        mailbox = await self.mailbox(account, "before")
        await self.append(mailbox, MESSAGE)
        await settled(account.rename([(mailbox.id, name)]))
        self.assertEqual(mailbox.id, (await self.infos(account))[name].id)
        self.assertEqual([1], await self.uids(await self.mailbox(account, name)))
        await settled(account.rename([(mailbox.id, "after")]))
        self.assertEqual({INBOX, "after"}, await self.names(account))
        self.assertEqual([1], await self.uids(await self.mailbox(account, "after")))

    @cases(PAIRS)
    async def test_two_names_that_look_alike_are_two_mailboxes(self, one: str, two: str) -> None:
        account = await self.account(fresh=())
        for mail, name in ((b"one\r\n", one), (b"two\r\n", two)):
            await self.append(await self.mailbox(account, name), mail)
        self.assertEqual({INBOX, one, two}, await self.names(account))
        await settled(account.set_subscribed(one, True))
        self.assertEqual({one}, set((await settled(account.mailboxes())).subscribed))
        for mail, name in ((b"one\r\n", one), (b"two\r\n", two)):
            self.assertEqual(mail, await self.whole(await self.mailbox(account, name), 1))
        infos = await self.infos(account)
        await settled(account.delete(infos[one].id))
        self.assertEqual(b"two\r\n", await self.whole(await self.mailbox(account, two), 1))
        await settled(account.rename([(infos[two].id, one)]))
        self.assertEqual({INBOX, one}, await self.names(account))

    async def test_all_names_at_once_outlive_the_store(self) -> None:
        store = await self.opened()
        account = await self.account(store, fresh=())
        every = {*NAMES.values(), *(name for pair in PAIRS.values() for name in pair)}
        for name in sorted(every):
            await self.append(await self.mailbox(account, name), name.encode())
            await settled(account.set_subscribed(name, True))
        before = await self.infos(account)
        account = await self.account(await self.reopened(store), fresh=())
        self.assertEqual(before, await self.infos(account))
        self.assertEqual(every, set((await settled(account.mailboxes())).subscribed))
        for name in every:
            self.assertEqual(name.encode(), await self.whole(await settled(account.open_mailbox(before[name].id)), 1))

    @cases(ACCOUNTS)
    async def test_an_account_of_this_name_is_like_any_other(self, name: str) -> None:
        store = await self.opened()
        other, account = await self.account(store, "other"), await self.account(store, name)
        mailbox = await self.mailbox(account)
        await self.append(mailbox, MESSAGE, MESSAGE)
        await self.append(await self.mailbox(other), MESSAGE)
        self.assertEqual([1, 2], await self.uids(await self.mailbox(await self.account(store, name))))
        self.assertEqual([1], await self.uids(await self.mailbox(other)))

    async def test_all_accounts_outlive_the_store(self) -> None:
        store = await self.opened()
        for name in ACCOUNTS.values():
            await self.append(await self.mailbox(await self.account(store, name)), name.encode())
        store = await self.reopened(store)
        for name in ACCOUNTS.values():
            self.assertEqual(name.encode(), await self.whole(await self.mailbox(await self.account(store, name)), 1))

    @cases(USES)
    async def test_a_special_use_stays_with_its_mailbox(self, use: str) -> None:
        """RFC 6154: through renaming, not after deleting."""
        account = await self.account(fresh=())
        made = await settled(account.create(NewMailbox("special", use)))
        self.assertEqual(use, made.special_use)
        await settled(account.rename([(made.id, "renamed")]))
        self.assertEqual(use, (await self.infos(account))["renamed"].special_use)
        await settled(account.delete(made.id))
        self.assertIsNone((await settled(account.create(NewMailbox("renamed")))).special_use)

    async def test_special_uses_outlive_the_store(self) -> None:
        store = await self.opened()
        account = await self.account(store, fresh=())
        for name, use in USES.items():
            await settled(account.create(NewMailbox(name, use)))
        account = await self.account(await self.reopened(store), fresh=())
        self.assertEqual({INBOX: None, **USES}, {name: info.special_use for name, info in (await self.infos(account)).items()})
