"""Mail from Maildir trees, as several programs lay them out."""

from __future__ import annotations

import mailbox
import os
from pathlib import Path

from support.bare_store import BareStore
from support.transfers import ALL, FRESH, Kept, TransferCase, contents
from twisted.internet import reactor

from mailframe.transfer.importer import Selection, target_name
from mailframe.transfer.maildir_source import MaildirSource
from mailframe.transfer.source import TransferError

DATE = 1_700_000_000


def put(maildir: Path, name: str, octets: bytes = b"Subject: hi\n\nhello\n", date: int = DATE) -> Path:
    """A file in a Maildir, which is made."""
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    path = maildir / name
    path.write_bytes(octets)
    os.utime(path, (date, date))
    return path


class MaildirTests(TransferCase):
    async def moved(self, selection: Selection = ALL) -> dict[str, list[Kept]]:
        store = await self.store()
        self.report = await self.imported(store, MaildirSource(self.folder / "Maildir", reactor), selection)
        self.assertEqual([], self.report.problems)
        return await contents(await store.open_account("alice", FRESH))

    async def test_flags_dates_line_ends_and_order_are_kept(self) -> None:
        root = self.folder / "Maildir"
        put(root, "cur/2.b.host:2,FRS", b"Subject: two\n\nline\r\nmixed\n", DATE + 1)
        put(root, "cur/1.a.host,S=4:2,DPT", b"Subject: one\n\nx")
        put(root, "new/3.c.host", b"", DATE + 2)
        self.assertEqual({"INBOX": [
            Kept(b"Subject: one\r\n\r\nx", frozenset({b"\\Draft", b"$Forwarded", b"\\Deleted"}), DATE),
            Kept(b"Subject: two\r\n\r\nline\r\nmixed\r\n", frozenset({b"\\Flagged", b"\\Answered", b"\\Seen"}), DATE + 1),
            Kept(b"", frozenset(), DATE + 2),
        ]}, await self.moved())
        self.assertEqual((3, 3, 0, 3), (self.report.listed, self.report.copied, self.report.already, self.report.verified))

    async def test_keywords_are_those_of_each_folders_list(self) -> None:
        root = self.folder / "Maildir"
        put(root / ".Work", "cur/1:2,Sabz")
        (root / ".Work" / "dovecot-keywords").write_text("0 $Label1\n1 todo\n")
        put(root, "cur/1:2,a")
        found = await self.moved()
        self.assertEqual(frozenset({b"\\Seen", b"$Label1", b"todo"}), found["Work"][0].flags)
        self.assertEqual(frozenset(), found["INBOX"][0].flags)

    async def test_folders_of_courier_dovecot_and_trees_of_directories(self) -> None:
        root = self.folder / "Maildir"
        for number, name in enumerate((".Entw&APw-rfe", ".Lists.2026", ".a&AC4-b", ".caf\u00e9", "plain/below", ".Sent")):
            put(root / name, f"cur/{number}:2,")
        put(root, "cur/9:2,")
        wanted = {"INBOX", "Entw\u00fcrfe", "Lists/2026", "a.b", "caf\u00e9", "plain/below", "Sent"}
        self.assertEqual(wanted, set(await self.moved()))

    async def test_an_inbox_that_is_a_folder_as_mbsync_has_it(self) -> None:
        root = self.folder / "Maildir"
        put(root / "Inbox", "cur/1:2,")
        put(root / "Inbox" / ".below", "cur/1:2,")
        self.assertEqual({"INBOX", "INBOX/below"}, set(await self.moved()))

    async def test_subscriptions(self) -> None:
        root = self.folder / "Maildir"
        for name in (".one", ".two.x", ".three"):
            put(root / name, "cur/1:2,")
        (root / "subscriptions").write_text("V\t2\n\none\ntwo\tx\n")
        await self.moved()
        store = await self.store("store2")
        await self.imported(store, MaildirSource(root, reactor), kind="second")
        account = await store.open_account("alice", FRESH)
        self.assertEqual({"INBOX", "Sent", "one", "two/x"}, (await account.mailboxes()).subscribed)

    async def test_a_choice_of_folders_into_another(self) -> None:
        root = self.folder / "Maildir"
        for name in (".Lists.a", ".Lists.b", ".Work", ".Junk"):
            put(root / name, "cur/1:2,")
        found = await self.moved(Selection(("Lists", "W*"), ("Lists/b",), "Old/Mail"))
        self.assertEqual({"Old/Mail/Lists/a", "Old/Mail/Work"}, set(found))

    async def test_a_dry_run_tells_and_changes_nothing(self) -> None:
        put(self.folder / "Maildir" / ".New", "cur/1:2,")
        self.assertEqual({}, await self.moved(Selection(dry_run=True)))
        self.assertEqual((1, 0), (self.report.listed, self.report.copied))
        self.assertIn(("found", "New", 0, 1), [(one.phase, one.folder, one.done, one.total) for one in self.told])

    async def test_the_second_run_brings_only_what_is_new(self) -> None:
        root = self.folder / "Maildir"
        store = await self.store()
        put(root, "new/1.a")
        await self.imported(store, MaildirSource(root, reactor))
        (root / "new/1.a").rename(root / "cur/1.a:2,S")         # read meanwhile by another program
        put(root, "new/2.b", b"Subject: two\n\n")
        report = await self.imported(store, MaildirSource(root, reactor))
        self.assertEqual((2, 1, 1, 1, []), (report.listed, report.copied, report.already, report.verified, report.problems))
        account = await store.open_account("alice", FRESH)
        self.assertEqual(2, len((await contents(account))["INBOX"]))

    async def test_a_file_that_cannot_be_read_is_named_and_the_others_come(self) -> None:
        root = self.folder / "Maildir"
        put(root, "cur/1:2,")
        gone = put(root, "cur/2:2,")
        source = MaildirSource(root, reactor)
        real = source._read                     # a disk's fault, which cannot be had otherwise (root reads everything)

        def faulty(listed: object, place: str) -> object:
            if place == "cur/2:2,":
                gone.unlink(missing_ok=True)
                gone.mkdir(exist_ok=True)
            return real(listed, place)          # type: ignore[arg-type]

        source._read = faulty                   # type: ignore[assignment,method-assign]
        store = await self.store()
        report = await self.imported(store, source)
        self.assertEqual((2, 1, 1), (report.listed, report.copied, report.troubles))
        self.assertIn("cur/2:2, cannot be read: Is a directory", report.problems[0])

    async def test_a_file_that_became_a_link_is_not_followed(self) -> None:
        """Its owner could have others' mail delivered to himself, by a server that may read it."""
        root = self.folder / "Maildir"
        file = put(root, "cur/1:2,")
        secret = self.folder / "secret"
        secret.write_bytes(b"Subject: secret\n\n")
        source = MaildirSource(root, reactor)
        real = source._read

        def late(listed: object, place: str) -> object:
            file.unlink(missing_ok=True)
            file.symlink_to(secret)
            return real(listed, place)          # type: ignore[arg-type]

        source._read = late                     # type: ignore[assignment,method-assign]
        report = await self.imported(await self.store(), source)
        self.assertEqual((1, 0, 1), (report.listed, report.copied, report.troubles))

    async def test_a_large_message_is_staged(self) -> None:
        octets = b"Subject: large\n\n" + b"0123456789abcde\n" * 100_000
        put(self.folder / "Maildir", "cur/1:2,", octets)
        self.assertEqual(octets.replace(b"\n", b"\r\n"), (await self.moved())["INBOX"][0].octets)

    async def test_a_store_that_offers_nothing_beyond_the_minimum(self) -> None:
        octets = b"Subject: large\n\n" + b"0123456789abcde\n" * 100_000
        put(self.folder / "Maildir", "cur/1:2,Sa", octets)
        (self.folder / "Maildir" / "dovecot-keywords").write_text("0 todo\n")
        store = BareStore()
        report = await self.imported(store, MaildirSource(self.folder / "Maildir", reactor))
        self.assertEqual((1, 1, []), (report.copied, report.verified, report.problems))
        kept = (await contents(await store.open_account("alice", FRESH)))["INBOX"]
        self.assertEqual([Kept(octets.replace(b"\n", b"\r\n"), frozenset({b"\\Seen", b"todo"}), DATE)], kept)

    async def test_keywords_beyond_what_a_mailbox_takes_are_told_of(self) -> None:
        root = self.folder / "Maildir"
        store = await self.store()
        account = await store.open_account("alice", FRESH)
        (inbox,) = [info for info in (await account.mailboxes()).mailboxes if info.name == "INBOX"]
        await (await account.open_mailbox(inbox.id)).keywords([f"word{number}" for number in range(55)])
        put(root, "cur/1:2,Sab")
        (root / "dovecot-keywords").write_text("0 a-new-one\n1 one-too-many\n")
        report = await self.imported(store, MaildirSource(root, reactor))
        self.assertEqual([frozenset({b"\\Seen", b"a-new-one"})], [one.flags for one in (await contents(account))["INBOX"]])
        self.assertIn("INBOX: the mailbox takes no more keywords; one-too-many is left out", report.notes)

    async def test_awkward_places_are_refused_with_a_sentence(self) -> None:
        store = await self.store()
        with self.assertRaisesRegex(TransferError, "There is no directory"):
            await self.imported(store, MaildirSource(self.folder / "nowhere", reactor))
        (self.folder / "empty").mkdir()
        with self.assertRaisesRegex(TransferError, "is no Maildir and holds none"):
            await self.imported(store, MaildirSource(self.folder / "empty", reactor))

    async def test_what_pythons_mailbox_module_wrote(self) -> None:
        box = mailbox.Maildir(self.folder / "Maildir")
        message = mailbox.MaildirMessage(b"Subject: hi\n\nhello\n")
        message.set_flags("FS")
        message.set_subdir("cur")
        message.set_date(DATE)
        box.add_folder("Lists.x").add(message)
        self.assertEqual({"Lists/x": [Kept(b"Subject: hi\r\n\r\nhello\r\n", frozenset({b"\\Seen", b"\\Flagged"}), DATE)]},
                         await self.moved())

    def test_a_choice_of_names(self) -> None:
        chosen = Selection(("inbox", "Lists", "[G]/*"), ("*Spam", "[G]/All")).chosen
        self.assertEqual([True, True, True, False, True, False, False, False], [chosen(name) for name in (
            "INBOX", "Lists", "Lists/a", "Lists/Spam", "[G]/Sent", "[G]/All/x", "G/x", "Other")])

    def test_names_are_made_fit(self) -> None:
        self.assertEqual("INBOX/caf\u00e9/_/a_b", target_name("Inbox/cafe\u0301/ /a\tb"))
        self.assertEqual("Old/inbox", target_name("inbox", "/Old/"))
