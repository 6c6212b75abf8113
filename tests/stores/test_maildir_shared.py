"""A Maildir that other programs use at the same time: whatever they do is seen, and they see what we do."""

from __future__ import annotations

import mailbox as python_mailbox
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from support.imap_talk import Talk
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, FlagChange, keyword_bit
from mailframe.model.mailbox import INBOX, Field, New, NewMailbox
from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage
from mailframe.stores.maildir import MaildirStore
from mailframe.testing.store_base import MESSAGE, StoreBase

reactor: Any = the_reactor
DROPPED = b"Subject: dropped\n\nby another program\n"
AS_READ = DROPPED.replace(b"\n", b"\r\n")


class MaildirBase(StoreBase):
    def make_store(self) -> IMailStore:
        self.path = Path(self.mktemp())
        return self.reopen(None)

    def reopen(self, store: IMailStore | None) -> IMailStore:
        self.store = MaildirStore(self.path, reactor, host="here")
        made: IMailStore = self.store
        return made

    @property
    def home(self) -> Path:
        return self.path / "ada"

    def drop(self, name: str = "1700000000.P1.elsewhere", octets: bytes = DROPPED, folder: str = "") -> Path:
        """As a delivery program does it: written in tmp, then named in new."""
        written = self.home / folder / "tmp" / name
        written.write_bytes(octets)
        return written.rename(self.home / folder / "new" / name)

    def files(self, folder: str = "") -> list[str]:
        return sorted(f"{where}/{name}" for where in ("cur", "new") for name in os.listdir(self.home / folder / where))

    def other(self, folder: str = "") -> python_mailbox.Maildir:
        return python_mailbox.Maildir(str(self.home / folder), create=False)

    async def statuses(self, mailbox: Any) -> tuple[int, int]:
        status = await mailbox.status()
        return status.messages, status.unseen


class SharedMaildirTests(MaildirBase, TestCase):
    """What the others do."""

    async def test_a_file_that_is_dropped_into_new_is_a_message(self) -> None:
        mailbox: Any = await self.mailbox()
        cursor = (await mailbox.status()).cursor
        os.utime(self.drop(), (1_600_000_000, 1_600_000_000))
        changes = await self.changed(mailbox, cursor)
        self.assertEqual([1], list(changes.rows.uids))
        self.assertEqual(AS_READ, await self.whole(mailbox, 1))
        rows = await self.rows(mailbox, Field.SIZE | Field.DATE | Field.FLAGS)
        self.assertEqual(([len(AS_READ)], [1_600_000_000], [0]), (list(rows.sizes), list(rows.dates), list(rows.flags)))
        self.assertEqual(["new/1700000000.P1.elsewhere"], self.files(), "nobody has opened the mailbox yet")

    async def test_what_a_session_was_told_of_goes_to_cur(self) -> None:
        mailbox: Any = await self.mailbox()
        self.drop()
        await mailbox.append([New(MESSAGE)])
        self.assertEqual(1, await mailbox.recent_from() if (await mailbox.status()).messages else 0)
        await mailbox.claim_recent()
        self.assertTrue(all(name.startswith("cur/") and name.endswith(":2,") for name in self.files()), self.files())
        self.assertEqual((2, 2), await self.statuses(mailbox))
        self.assertEqual([1, 2], await self.uids(mailbox))

    async def test_uids_last_over_what_others_call_their_files(self) -> None:
        mailbox: Any = await self.mailbox()
        dropped = self.drop()
        cursor = (await mailbox.status()).cursor
        read = dropped.rename(self.home / "cur" / f"{dropped.name}:2,RS")
        changes = await self.changed(mailbox, cursor)
        self.assertEqual(([1], [ANSWERED | SEEN], []), (list(changes.rows.uids), list(changes.rows.flags), list(changes.vanished)))
        read.rename(self.home / "cur" / f"{dropped.name}:2,DFPT")
        await mailbox.status()
        self.assertEqual({1: DRAFT | FLAGGED | DELETED}, await self.flags(mailbox))
        await mailbox.set_flags([1], FlagChange.remove(DELETED), None)
        self.assertEqual([f"cur/{dropped.name}:2,DFP"], self.files(), "P is another program's, and stays")

    async def test_a_store_finds_a_file_that_was_just_renamed(self) -> None:
        mailbox: Any = await self.mailbox()
        dropped = self.drop()
        await mailbox.claim_recent() if (await mailbox.status()).messages else None
        (self.home / "cur" / f"{dropped.name}:2,").rename(self.home / "cur" / f"{dropped.name}:2,F")
        stored = await mailbox.set_flags([1], FlagChange.add(SEEN), None)
        self.assertEqual([FLAGGED | SEEN], list(stored.rows.flags), "both changes count")
        self.assertEqual([f"cur/{dropped.name}:2,FS"], self.files())
        (self.home / "cur" / f"{dropped.name}:2,FS").rename(self.home / "cur" / f"{dropped.name}:2,S")
        self.assertEqual(AS_READ, await self.whole(mailbox, 1))

    async def test_many_stores_at_once_are_all_done(self) -> None:
        filled, uids = await self.filled(8)
        mailbox: Any = filled
        cursor = (await mailbox.status()).cursor
        gone = self.home / self.files()[3]
        flags = (SEEN, FLAGGED, ANSWERED, DRAFT)
        asked = [Deferred.fromCoroutine(mailbox.set_flags(uids[n % 3:n % 3 + 4], FlagChange.add(flags[n % 4]), None))
                 for n in range(24)]
        gone.unlink()
        stored = await gatherResults(asked)
        there = await self.flags(mailbox)
        self.assertEqual({uid: SEEN | FLAGGED | ANSWERED | DRAFT for uid in uids[:6] if uid in there},
                         {uid: mask for uid, mask in there.items() if uid <= uids[5]})
        self.assertEqual(7, len(there))
        self.assertTrue(all(len(one.rows) >= 3 for one in stored))
        self.assertEqual(1, len((await self.changed(mailbox, cursor)).vanished))
        self.assertEqual(5, sum(name.endswith(":2,DFRS") for name in self.files()))

    async def test_a_file_that_is_removed_is_an_expunge(self) -> None:
        mailbox, uids = await self.filled(3)
        cursor = (await mailbox.status()).cursor
        (self.home / self.files()[1]).unlink()
        await self.refused(NoSuchMessage, lambda: mailbox.read(uids[1], 0, 10))
        changes = await self.changed(mailbox, cursor)
        self.assertEqual([uids[1]], list(changes.vanished))
        self.assertEqual((2, 2), await self.statuses(mailbox))

    async def test_a_large_message_that_vanishes_in_the_middle_is_read_to_its_end(self) -> None:
        mailbox: Any = await self.mailbox()
        octets = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 60_000
        await mailbox.append([New(octets)])
        begun = await mailbox.read(1, 0, 300_001)
        (self.home / self.files()[0]).unlink()
        self.assertEqual([], list((await self.changed(mailbox, (await mailbox.status()).cursor)).rows.uids))
        self.assertEqual(octets, begun + await mailbox.read(1, 300_001, 1 << 30))

    async def test_folders_made_renamed_and_removed_by_others(self) -> None:
        account: Any = await self.account(fresh=())
        other = self.other()
        other.add_folder("Lists.Python").add(DROPPED)
        listed = {info.name: info for info in (await account.mailboxes()).mailboxes}
        self.assertEqual({INBOX, "Lists/Python"}, set(listed))
        mailbox: Any = await account.open_mailbox(listed["Lists/Python"].id)
        self.assertEqual(1, (await mailbox.status()).messages)
        validity = (await mailbox.status()).uidvalidity
        (self.home / ".Lists.Python").rename(self.home / ".Snakes")
        renamed = {info.name: info.id for info in (await account.mailboxes()).mailboxes}
        self.assertEqual(listed["Lists/Python"].id, renamed["Snakes"])
        self.assertEqual(validity, (await mailbox.status()).uidvalidity)
        self.assertEqual(AS_READ, await self.whole(mailbox, 1))
        shutil.rmtree(self.home / ".Snakes")
        self.assertEqual([INBOX], [info.name for info in (await account.mailboxes()).mailboxes])

    async def test_a_mailbox_in_use_follows_its_folder(self) -> None:
        account: Any = await self.account()
        mailbox: Any = await self.mailbox(account, "work")
        inbox: Any = await self.mailbox(account)
        await inbox.append([New(MESSAGE)])
        acts = (
            lambda: mailbox.append([New(MESSAGE)]), lambda: mailbox.set_flags([1], FlagChange.add(SEEN), None),
            lambda: mailbox.keywords(["word"]), lambda: mailbox.copy([1], inbox.id), lambda: mailbox.read(1, 0, 1),
            lambda: mailbox.expunge([1], False), mailbox.status, lambda: inbox.copy([1], mailbox.id))
        folder = self.home / ".work"
        for number, act in enumerate(acts):
            folder = folder.rename(self.home / f".renamed{number}")
            await act()
        self.assertEqual([2], await self.uids(mailbox))
        shutil.rmtree(self.home / ".renamed7")
        for ask in (mailbox.status, lambda: mailbox.append([New(MESSAGE)]), lambda: mailbox.expunge(None, False),
                    lambda: mailbox.set_flags([1], FlagChange.add(SEEN), None), lambda: mailbox.changes(0),
                    lambda: inbox.copy([1], mailbox.id)):
            await self.refused(NoSuchMailbox, ask)

    async def test_a_folder_as_dovecot_makes_it(self) -> None:
        """Its names, its listescape, its keywords, its subscriptions."""
        account: Any = await self.account(fresh=())
        folder = self.home / ".Entw&APw-rfe.v2\\2e0"
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        (folder / "maildirfolder").touch()
        (folder / "dovecot-uidlist").write_text("3 V1700000000 N2 G0123456789abcdef\n1 :1700000001.M1P2.host\n")
        (folder / "dovecot-keywords").write_text("0 $Forwarded\n1 NonJunk\n")
        (folder / "cur" / "1700000001.M1P2.host,S=37,W=40:2,Sab").write_bytes(DROPPED)
        (self.home / "subscriptions").write_text("V\t2\n\nINBOX\nEntw&APw-rfe\tv2\\2e0\n")
        listed = await account.mailboxes()
        self.assertEqual({INBOX, "Entwürfe/v2.0"}, set(listed.subscribed))
        mailbox: Any = await self.mailbox(account, "Entwürfe/v2.0")
        self.assertEqual((1, 0), await self.statuses(mailbox))
        self.assertEqual(("$Forwarded", "NonJunk"), await mailbox.keywords(()))
        self.assertEqual({1: SEEN | keyword_bit(0) | keyword_bit(1)}, await self.flags(mailbox))
        await mailbox.keywords(["Mine"])
        await mailbox.set_flags([1], FlagChange.replace(FLAGGED | keyword_bit(1) | keyword_bit(2)), None)
        self.assertEqual(["cur/1700000001.M1P2.host,S=37,W=40:2,Fbc"], self.files(folder.name))
        self.assertEqual("0 $Forwarded\n1 NonJunk\n2 Mine\n", (folder / "dovecot-keywords").read_text())

    async def test_a_keyword_that_gets_its_name_later(self) -> None:
        mailbox: Any = await self.mailbox()
        (self.home / "cur" / "1.x:2,Sa").write_bytes(DROPPED)
        self.assertEqual((1, 0), await self.statuses(mailbox))
        self.assertEqual({1: SEEN}, await self.flags(mailbox))
        (self.home / "dovecot-keywords").write_text("0 later\n")
        await mailbox.status()
        self.assertEqual({1: SEEN | keyword_bit(0)}, await self.flags(mailbox))
        self.assertEqual(("later",), await mailbox.keywords(()))

    async def test_an_idle_session_hears_of_a_dropped_file(self) -> None:
        store = self.make_store()
        talk = Talk(reactor, store)
        await talk.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(talk.stop()))
        client = await talk.client("a")
        await client.say(b"1", b"SELECT INBOX")
        assert client.transport is not None
        client.transport.write(b"2 IDLE\r\n")
        await client.until(lambda octets: octets.startswith(b"+"))
        (self.path / "alice" / "new" / "1.x").write_bytes(DROPPED)
        await client.until(lambda octets: b"* 1 EXISTS" in octets)
        client.transport.write(b"DONE\r\n")
        await client.until(lambda octets: b"2 OK" in octets)
        self.assertIn(b"dropped", await client.say(b"3", b"FETCH 1 (BODY.PEEK[])"))


class SharingMaildirTests(MaildirBase, TestCase):
    """What the others see."""

    async def test_messages_lie_there_as_other_programs_expect_them(self) -> None:
        mailbox: Any = await self.mailbox()
        await mailbox.append([New(MESSAGE, b"Return-Path: <>\r\n", 0, 1_600_000_000), New(b"bare\nlf\r\n", b"", SEEN)])
        plain, = (self.home / "new").iterdir()
        raw, = (self.home / "cur").iterdir()
        whole = b"Return-Path: <>\r\n" + MESSAGE
        self.assertEqual(whole.replace(b"\r\n", b"\n"), plain.read_bytes())
        self.assertTrue(plain.name.endswith(f".here,S={len(plain.read_bytes())},W={len(whole)}"), plain.name)
        self.assertEqual(1_600_000_000, plain.stat().st_mtime)
        self.assertEqual(b"bare\nlf\r\n", raw.read_bytes())
        self.assertTrue(raw.name.endswith(",S=9,R=1:2,S"), raw.name)
        self.assertEqual(0o600, raw.stat().st_mode & 0o777)

    async def test_python_reads_what_we_deliver_and_we_see_what_it_does(self) -> None:
        account: Any = await self.account()
        mailbox: Any = await self.mailbox(account)
        await mailbox.append([New(MESSAGE), New(MESSAGE, b"", SEEN | FLAGGED)])
        other = self.other()
        self.assertEqual({"Drafts", "Sent", "Junk", "Trash", "Archive"}, set(other.list_folders()))
        subdirs = {(message.get_subdir(), message.get_flags()) for message in other}
        self.assertEqual({("new", ""), ("cur", "FS")}, subdirs)
        key = next(key for key, message in other.items() if message.get_subdir() == "new")
        message = other[key]
        message.set_subdir("cur")
        message.add_flag("R")
        other[key] = message
        added = python_mailbox.MaildirMessage("Subject: from python\n\n")
        added.set_flags("T")
        other.add(added)
        self.assertEqual((3, 2), await self.statuses(mailbox))
        self.assertEqual(DELETED, (await self.flags(mailbox))[3])
        self.assertEqual([3], list(await mailbox.expunge(None, True)))
        self.assertEqual(2, len(list(self.other().keys())))
        other.clear()
        self.assertEqual((0, 0), await self.statuses(mailbox))

    async def test_awkward_names_are_escaped_as_dovecot_does_it(self) -> None:
        account: Any = await self.account(fresh=())
        for name in ("a.b/c", "~x", "back\\slash", "Entwürfe", "INBOX/child"):
            await account.create(NewMailbox(name, subscribed=True))
        there = {name for name in os.listdir(self.home) if name.startswith(".")}
        self.assertEqual({".a\\2eb.c", ".\\7ex", ".back\\5cslash", ".Entw&APw-rfe", ".INBOX.child"}, there)
        self.assertTrue((self.home / ".Entw&APw-rfe" / "maildirfolder").exists())
        self.assertTrue((self.home / "subscriptions").read_text().startswith("V\t2\n\na\\2eb\tc\n"))

    async def test_a_copy_is_a_second_name_for_one_file_and_a_move_is_the_file(self) -> None:
        account: Any = await self.account()
        mailbox, archive = await self.mailbox(account), await self.mailbox(account, "Archive")
        source: Any = mailbox
        await source.append([New(MESSAGE, b"", SEEN)])
        await source.copy([1], archive.id)
        first, second = self.home / self.files()[0], self.home / ".Archive" / self.files(".Archive")[0]
        self.assertEqual(2, first.stat().st_nlink)
        self.assertTrue(first.samefile(second))
        self.assertNotEqual(first.name, second.name)
        inode = first.stat().st_ino
        await source.expunge([1], False)
        await archive.move([1], mailbox.id)         # type: ignore[attr-defined]
        self.assertEqual(([], 1), (self.files(".Archive"), len(self.files())))
        self.assertEqual((inode, 1), ((self.home / self.files()[0]).stat().st_ino, (self.home / self.files()[0]).stat().st_nlink))

    async def test_one_message_for_many_is_one_file(self) -> None:
        await self.opened()
        octets, head = bytes(MESSAGE), b"Return-Path: <>\r\n"
        (self.path / "eve").touch()                 # no account can be made there
        outcomes = await self.store.deliver([
            ("ada", INBOX, New(octets, head)), ("eve", INBOX, New(octets, head)), ("bob", "Junk", New(octets, head)),
            ("cid", "no such folder", New(octets, head)), ("ada", INBOX, New(octets, b"other: head\r\n"))])
        self.assertEqual([None, None, None, None], [outcomes[0], *outcomes[2:]])
        self.assertTrue(outcomes[1] is not None and outcomes[1].temporary)
        file, = (self.path / "bob" / ".Junk" / "new").iterdir()
        self.assertEqual(3, file.stat().st_nlink)
        ada: Any = await self.mailbox(await self.account(self.store))
        self.assertEqual({head + MESSAGE, b"other: head\r\n" + MESSAGE}, {await self.whole(ada, uid) for uid in (1, 2)})
        self.assertEqual([], list((self.path / "ada" / "tmp").iterdir()))

    async def test_mail_for_a_folder_that_others_removed_comes_to_inbox(self) -> None:
        await self.opened()
        for _ in range(2):
            self.assertEqual([None], await self.store.deliver([("ada", "Junk", New(MESSAGE))]))
            shutil.rmtree(self.home / ".Junk", ignore_errors=True)
        self.assertEqual(1, len(self.files()))

    async def test_mutt_sees_our_mail_and_we_see_what_it_did(self) -> None:
        if shutil.which("mutt") is None:
            raise SkipTest("mutt is not installed")
        account: Any = await self.account()
        mailbox: Any = await self.mailbox(account)
        await mailbox.append([New(b"Subject: one\r\n\r\n1\r\n"), New(b"Subject: two\r\n\r\n2\r\n")])
        rc = self.path / "muttrc"
        rc.write_text(f"""
set mbox_type=Maildir folder="{self.home}" spoolfile="{self.home}" header_cache="" delete=yes quit=yes wait_key=no
set confirmappend=no mark_old=no move=no
push "<tag-pattern>~s one<enter><tag-prefix><set-flag>!<tag-prefix><copy-message>=.Archive<enter><tag-pattern>~A<enter>\
<untag-pattern>~s one<enter><tag-prefix><delete-message><sync-mailbox><quit>"
""")
        await deferToThreadPool(reactor, reactor.getThreadPool(), lambda: subprocess.run(
            ["script", "-qec", f"mutt -n -F {rc}", "/dev/null"], capture_output=True, check=True, timeout=60,
            stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.path), "TERM": "xterm"}))
        self.assertEqual(1, (await mailbox.status()).messages)
        self.assertEqual({1: FLAGGED}, {uid: flags & FLAGGED for uid, flags in (await self.flags(mailbox)).items()})
        archive = await self.mailbox(account, "Archive")
        self.assertEqual(1, (await archive.status()).messages)      # type: ignore[attr-defined]
        self.assertIn(b"Subject: one\r\n", await self.whole(archive, 1))

    async def test_procmail_delivers_into_a_folder(self) -> None:
        if shutil.which("procmail") is None:
            raise SkipTest("procmail is not installed")
        mailbox: Any = await self.mailbox(await self.account(), "Junk")
        rc = self.path / "procmailrc"
        rc.write_text(f"MAILDIR={self.home}\nDEFAULT={self.home}/.Junk/\n")
        await deferToThreadPool(reactor, reactor.getThreadPool(), lambda: subprocess.run(
            ["procmail", "-m", str(rc)], input=DROPPED, check=True, timeout=60))
        self.assertEqual((1, 1), await self.statuses(mailbox))
        self.assertTrue((await self.whole(mailbox, 1)).endswith(AS_READ))


class RebuiltIndexTests(MaildirBase, TestCase):
    """The index can be deleted."""

    async def test_all_but_uids_comes_again_from_the_files(self) -> None:
        store = await self.opened()
        account: Any = await self.account(store)
        mailbox: Any = await self.mailbox(account, "Sent")
        words = await mailbox.keywords(["$Forwarded", "work"])
        await mailbox.append([New(self.octets(n), b"", n % 32 | keyword_bit(n % 2), 1_000_000 + n) for n in range(40)])
        await mailbox.expunge([3, 4], False)
        await account.delete(next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "Junk"))
        await account.set_subscribed("Trash", False)
        listed, status = await account.mailboxes(), await mailbox.status()
        kept = await self._content(mailbox)
        await self._forget_index(store)
        account = await self.account(self.store)
        again = await account.mailboxes()
        self.assertEqual({(info.name, info.special_use) for info in listed.mailboxes},
                         {(info.name, info.special_use) for info in again.mailboxes})
        self.assertEqual(listed.subscribed, again.subscribed)
        self.assertFalse({info.id for info in listed.mailboxes} & {info.id for info in again.mailboxes})
        mailbox = await self.mailbox(account, "Sent")
        after = await mailbox.status()
        self.assertGreater(after.uidvalidity, status.uidvalidity)
        self.assertEqual((status.messages, status.unseen, status.size), (after.messages, after.unseen, after.size))
        self.assertEqual(words, await mailbox.keywords(()))
        self.assertEqual(kept, await self._content(mailbox))

    async def _content(self, mailbox: Any) -> list[tuple[int, int, bytes]]:
        rows = await self.rows(mailbox, Field.FLAGS | Field.DATE)
        return [(flags, date, await self.whole(mailbox, uid)) for uid, flags, date in zip(rows.uids, rows.flags, rows.dates)]

    async def _forget_index(self, store: Any) -> None:
        await store.close()
        self._open.remove(store)
        shutil.rmtree(self.path / ".mailframe")
        await self._start(self.reopen(None))

    async def test_what_happened_while_nothing_ran(self) -> None:
        store = await self.opened()
        mailbox, uids = await self.filled(4, await self.account(store))
        before = await mailbox.status()
        await store.close()
        self._open.remove(store)
        names = self.files()
        (self.home / names[1]).unlink()
        (self.home / names[2]).rename(self.home / "cur" / f"{names[2][4:]}:2,S")
        self.drop()
        await self._start(self.reopen(None))
        again: Any = await self.mailbox(await self.account(self.store))
        changes = await self.changed(again, before.cursor)
        self.assertEqual([uids[1]], list(changes.vanished))
        self.assertEqual({uids[2]: SEEN, uids[3] + 1: 0}, dict(zip(changes.rows.uids, changes.rows.flags)))

    async def test_an_account_that_was_there_before_us_keeps_what_it_has(self) -> None:
        await self.opened()
        folder = self.home / ".Sent"
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        (folder / "cur" / "1.x:2,S").write_bytes(DROPPED)
        account: Any = await self.account(self.store)
        sent = next(info for info in (await account.mailboxes()).mailboxes if info.name == "Sent")
        self.assertEqual("\\Sent", sent.special_use)
        self.assertEqual(1, (await (await account.open_mailbox(sent.id)).status()).messages)
