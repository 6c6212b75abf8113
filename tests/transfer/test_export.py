"""Mail goes out into Maildir and mbox trees, for other programs and for another server of ours."""

from __future__ import annotations

import mailbox
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.transfers import ALL, FRESH, Kept, TransferCase, append, contents
from twisted.internet import reactor

from mailframe.stores.memory import MemoryStore
from mailframe.transfer.exporter import Exporter, Tree
from mailframe.transfer.foldernames import KEPT, alone, level_of_mbox, maildir_folder, maildir_level, mbox_level
from mailframe.transfer.importer import Selection
from mailframe.transfer.maildir_source import MaildirSource
from mailframe.transfer.maildir_tree import MaildirTree, directory
from mailframe.transfer.mbox_source import MboxSource
from mailframe.transfer.mbox_tree import STATE, MboxTree, place
from mailframe.transfer.source import Report, Source, TransferError

DATE = 1_700_000_000
NAMES = ("INBOX", "INBOX/below", "Work", "Work/2026", "Entw\u00fcrfe/\u65e5\u672c", "a.b/c.d", "50% off?", ".hidden", "x.sbd", "x",
         "trailing.", "cur", "x.mbox", '"quoted" \\ & <tag>', "\u0416" * 120, "Sent")
FLAGS = frozenset({b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Draft", b"$Forwarded", b"$Label1", b"todo"})
MESSAGES = (
    Kept(b"Subject: one\r\n\r\nFrom here\r\n>From there\r\n", FLAGS, DATE), Kept(b"", frozenset(), DATE + 1),
    Kept(b"no end", frozenset({b"\\Seen"}), DATE + 2), Kept(b"Status: RO\r\nX-Keywords: x\r\n\r\n\r\n", frozenset({b"todo"}), 1),
    Kept(b"\r\n\r\nno header\r\n\r\n", frozenset(), 0),
)
LARGE = Kept(b"Subject: large\r\n\r\n" + b"From 0123456789\r\n" * 40_000 + b"cut", frozenset({b"\\Seen"}), DATE)
Forms: dict[str, tuple[Callable[[Path], Tree], Callable[[Path], Source]]] = {
    "maildir": (lambda path: MaildirTree(path, "alice", reactor), lambda path: MaildirSource(path, reactor)),
    "mbox": (lambda path: MboxTree(path, "alice", reactor), lambda path: MboxSource(path, reactor)),
}


class ExportCase(TransferCase):
    async def exported(self, store: Any, kind: str, selection: Selection = ALL) -> Report:
        account = await store.open_account("alice", FRESH)
        return await Exporter(account, Forms[kind][0](self.folder / kind), reactor, selection, self.told.append).run()

    async def filled(self) -> Any:
        store = await self.store()
        account = await store.open_account("alice", FRESH)
        for name in NAMES:
            await append(account, name, MESSAGES if name != "Work" else (*MESSAGES, LARGE), "\\Junk" if name == "x" else None)
        return store

    async def there_and_back(self, kind: str) -> None:
        store = await self.filled()
        report = await self.exported(store, kind)
        self.assertEqual(([], len(NAMES) * len(MESSAGES) + 1), (report.problems, report.copied))
        self.assertEqual(report.copied, report.verified)
        other = MemoryStore()
        back = await self.imported(other, Forms[kind][1](self.folder / kind), kind=kind)
        self.assertEqual(([], report.copied), (back.problems, back.verified))
        first, second = await store.open_account("alice", FRESH), await other.open_account("alice", FRESH)
        here, there = await contents(first, all_folders=True), await contents(second, all_folders=True)
        self.assertEqual(set(here), set(there))
        for name in here:
            self.assertEqual(here[name][:5], there[name][:5], name)
            self.assertTrue(here[name] == there[name], name)
        self.assertEqual((await first.mailboxes()).subscribed, (await second.mailboxes()).subscribed)
        self.assertEqual({(info.name, info.special_use) for info in (await first.mailboxes()).mailboxes},
                         {(info.name, info.special_use) for info in (await second.mailboxes()).mailboxes})

    async def only_what_is_new(self, kind: str) -> None:
        store = await self.filled()
        await self.exported(store, kind)
        account = await store.open_account("alice", FRESH)
        await append(account, "Work", [Kept(b"Subject: new\r\n\r\n")])
        report = await self.exported(store, kind)
        self.assertEqual(([], 1, len(NAMES) * len(MESSAGES) + 1), (report.problems, report.copied, report.already))
        self.assertEqual(report.listed, report.verified)
        self.assertEqual((0, 0), ((await self.exported(store, kind)).copied, (await self.exported(store, kind)).troubles))


class MaildirExportTests(ExportCase):
    async def test_another_server_has_the_same_mail(self) -> None:
        await self.there_and_back("maildir")

    async def test_a_second_run_brings_only_what_is_new(self) -> None:
        await self.only_what_is_new("maildir")

    async def test_other_programs_read_it(self) -> None:
        store = await self.filled()
        await self.exported(store, "maildir")
        box = mailbox.Maildir(self.folder / "maildir", create=False)
        self.assertIn("Work.2026", box.list_folders())
        messages = sorted(box.get_folder("Work.2026"), key=lambda message: message.get_date())
        self.assertEqual([0, 1, DATE, DATE + 1, DATE + 2], [message.get_date() for message in messages])
        self.assertEqual("DFPRST", "".join(letter for letter in messages[2].get_flags() if letter.isupper()))

    async def test_flags_changed_by_another_program_do_no_harm(self) -> None:
        store = await self.filled()
        await self.exported(store, "maildir", Selection(("Work",)))
        for path in (self.folder / "maildir" / ".Work" / "cur").iterdir():
            path.rename(path.with_name(path.name.partition(":")[0] + ":2,S"))
        report = await self.exported(store, "maildir", Selection(("Work",)))
        self.assertEqual(([], 0, report.listed), (report.problems, report.copied, report.verified))

    async def test_a_file_that_is_not_what_was_written_is_named(self) -> None:
        store = await self.filled()
        await self.exported(store, "maildir", Selection(("x",)))
        path = next((self.folder / "maildir" / ".x" / "cur").glob(f"{DATE}.*"))
        path.write_bytes(b"something else")
        report = await self.exported(store, "maildir", Selection(("x",)))
        self.assertEqual((["x: the message with UID 1 is not what was written"], 1), (report.problems, report.troubles))

    async def test_more_keywords_than_letters_are_told_of(self) -> None:
        store = await self.store()
        account = await store.open_account("alice", FRESH)
        await append(account, "INBOX", [Kept(b"x", frozenset(b"word%d" % number for number in range(30)))])
        report = await self.exported(store, "maildir")
        self.assertEqual(["INBOX: a Maildir has room for 26 keywords; those beyond are left out"], report.notes)
        self.assertEqual([], report.problems)

    async def test_somebody_elses_directory_is_left_alone(self) -> None:
        store = await self.filled()
        mailbox.Maildir(self.folder / "maildir")
        with self.assertRaisesRegex(TransferError, "no export of ours"):
            await self.exported(store, "maildir")

    async def test_another_accounts_directory_is_left_alone(self) -> None:
        store = await self.filled()
        await self.exported(store, "maildir", Selection(("x",)))
        account = await store.open_account("bob", FRESH)
        with self.assertRaisesRegex(TransferError, "is an export of alice"):
            await Exporter(account, MaildirTree(self.folder / "maildir", "bob", reactor), reactor).run()

    async def test_an_export_in_another_form_is_left_alone(self) -> None:
        """Of a Maildir and mbox files in one directory an import would take either."""
        store = await self.filled()
        await self.exported(store, "maildir")
        account = await store.open_account("alice", FRESH)
        with self.assertRaisesRegex(TransferError, "is an export to maildir; name another directory"):
            await Exporter(account, MboxTree(self.folder / "maildir", "alice", reactor), reactor).run()

    async def test_two_at_once_into_one_directory_do_not_mix(self) -> None:
        with (alone(self.folder / "it"), self.assertRaisesRegex(TransferError, "Another export into .* is running"),
              alone(self.folder / "it")):
            pass
        with alone(self.folder / "it"):
            pass

    async def test_a_choice_and_a_dry_run(self) -> None:
        store = await self.filled()
        report = await self.exported(store, "maildir", Selection(dry_run=True))
        self.assertEqual((len(NAMES), len(NAMES) * len(MESSAGES) + 1), (report.folders, report.listed))
        self.assertFalse((self.folder / "maildir").exists())
        report = await self.exported(store, "maildir", Selection(("Work", "nothing"), ("Work/2026",)))
        self.assertEqual((6, ["The account has no folder nothing"]), (report.copied, report.problems))


class MboxExportTests(ExportCase):
    async def test_another_server_has_the_same_mail(self) -> None:
        await self.there_and_back("mbox")

    async def test_a_second_run_brings_only_what_is_new(self) -> None:
        await self.only_what_is_new("mbox")

    async def test_other_programs_read_it(self) -> None:
        store = await self.filled()
        await self.exported(store, "mbox")
        messages = list(mailbox.mbox(self.folder / "mbox" / "Work.sbd" / "2026", create=False))
        self.assertEqual(len(MESSAGES), len(messages))
        self.assertEqual(("one", "ADFRO", "$Forwarded $Label1 todo"), (
            messages[0]["Subject"], "".join(sorted(messages[0].get_flags().replace("O", ""))).replace("T", "") + "O",
            messages[0]["X-Keywords"]))

    async def test_what_a_killed_run_left_behind_is_cut_off(self) -> None:
        store = await self.filled()
        await self.exported(store, "mbox", Selection(("x",)))
        path = self.folder / "mbox" / "x"
        whole = path.read_bytes()
        path.write_bytes(whole + whole[:100])
        report = await self.exported(store, "mbox", Selection(("x",)))
        self.assertEqual(([], whole), (report.problems, path.read_bytes()))

    async def test_a_file_that_others_changed_is_refused(self) -> None:
        store = await self.filled()
        await self.exported(store, "mbox", Selection(("x",)))
        path = self.folder / "mbox" / "x"
        whole = path.read_bytes()
        path.write_bytes(whole + b"From MAILER-DAEMON Mon Jan  1 10:00:00 2024\nSubject: other\n\nanother program's mail\n\n")
        with self.assertRaisesRegex(TransferError, "added to by another program"):
            await self.exported(store, "mbox", Selection(("x",)))
        path.write_bytes(whole[:-5])
        with self.assertRaisesRegex(TransferError, "shorter than it was left"):
            await self.exported(store, "mbox", Selection(("x",)))
        os.unlink(self.folder / "mbox" / STATE)
        with self.assertRaisesRegex(TransferError, "no export of ours"):
            await self.exported(store, "mbox", Selection(("x",)))


@pytest.mark.parametrize("name", ["/", "//", "a/", "/a", "a//b", "./..", "../..", STATE, KEPT + ".new"])
def test_no_name_leads_out_of_the_tree_or_onto_our_own_files(name: str) -> None:
    for found in (directory(name), place(name)):
        levels = found.split("/")
        assert all(level and level.strip(".") for level in levels) and levels[0] not in (STATE, KEPT, KEPT + ".new")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(blacklist_characters="/", blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_level_comes_back_from_a_file_name(level: str) -> None:
    assert level_of_mbox(mbox_level(level)) == level
    assert "/" not in mbox_level(level) and not mbox_level(level).startswith(".")
    (there,) = maildir_folder(level).split(".")[1:] if level != "INBOX" else (level,)
    assert maildir_level(there) == level and "/" not in there
