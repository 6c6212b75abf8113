"""A Maildir on a disk that is full, takes no writes, or is gone: temporary refusals, nothing lost, and it recovers by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.store import IMailStore
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, New
from mailframe.model.refusal import Refusal, StorageFull, TryAgainLater
from mailframe.stores.maildir import MaildirStore
from mailframe.testing.store_base import MESSAGE, StoreBase

reactor: Any = the_reactor
BIG = b"Subject: big\r\n\r\n" + b"z" * 3_000_000 + b"\r\n"


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SkipTest(f"no tmpfs to be had here: {done.stderr.strip()}")


class MaildirFaultTests(StoreBase, TestCase):
    def make_store(self) -> IMailStore:
        """On a disk of 2 MiB; the index has room enough."""
        place = Path(self.mktemp())
        self.path = place / "mail"
        self.path.mkdir(parents=True)
        mount("-t", "tmpfs", "-o", "size=2m,mode=0700", "none", str(self.path))
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.path)], check=True)
        self.store = MaildirStore(self.path, reactor, index=place / "index.db")
        made: IMailStore = self.store
        return made

    def left_over(self) -> list[str]:
        return os.listdir(self.path / "ada" / "tmp")

    async def test_a_full_disk_refuses_what_is_too_large_and_takes_it_later(self) -> None:
        store = await self.opened()
        mailbox: Any = await self.mailbox(await self.account(store))
        await mailbox.append([New(MESSAGE)])
        staged = await self.store.stage()
        await staged.write(BIG)
        content = await staged.seal()
        for message in (New(BIG), New(content)):
            await self.refused(StorageFull, lambda message=message: mailbox.append([New(MESSAGE), message]))  # type: ignore[misc]
            outcome, = await self.store.deliver([("ada", INBOX, message)])
            self.assertIsInstance(outcome, StorageFull)
        self.assertEqual(([], [1]), (self.left_over(), await self.uids(mailbox)))
        await mailbox.set_flags([1], FlagChange.add(SEEN), None)
        self.assertEqual(MESSAGE, await self.whole(mailbox, 1))
        mount("-o", "remount,size=16m", str(self.path))
        self.assertEqual([2, 3], list(await mailbox.append([New(BIG), New(content)])))
        self.assertEqual(BIG, await self.whole(mailbox, 3))

    async def test_a_disk_that_takes_no_writes_can_be_read(self) -> None:
        store = await self.opened()
        account: Any = await self.account(store)
        mailbox: Any = await self.mailbox(account)
        await mailbox.append([New(MESSAGE)])
        mount("-o", "remount,ro", str(self.path))
        status = await mailbox.status()
        self.assertEqual((1, MESSAGE), (status.messages, await self.whole(mailbox, 1)))
        self.assertEqual(6, len((await account.mailboxes()).mailboxes))
        for ask in (lambda: mailbox.append([New(MESSAGE)]), lambda: mailbox.set_flags([1], FlagChange.add(SEEN), None),
                    lambda: mailbox.expunge(None, False), lambda: account.set_subscribed("x", True),
                    lambda: mailbox.claim_recent()):
            await self.refused(TryAgainLater, ask)
        mount("-o", "remount,rw", str(self.path))
        await mailbox.set_flags([1], FlagChange.add(SEEN), None)
        self.assertEqual({1: SEEN}, await self.flags(mailbox))
        self.assertEqual([2], list(await mailbox.append([New(MESSAGE)])))

    async def test_a_disk_that_is_not_mounted_is_no_expunge(self) -> None:
        store = await self.opened()
        account: Any = await self.account(store)
        mailbox, uids = await self.filled(2, account)
        away = self.path / "away"
        (self.path / "ada").rename(away)
        self.assertEqual(2, (await mailbox.status()).messages)
        await self.refused(TryAgainLater, account.mailboxes)
        with self.assertRaises(Refusal) as refused:
            await mailbox.append([New(MESSAGE)])
        self.assertTrue(refused.exception.temporary)
        away.rename(self.path / "ada")
        self.assertEqual(list(uids), await self.uids(mailbox))
        self.assertEqual(self.octets(1), await self.whole(mailbox, uids[1]))
        self.assertEqual(3, (await mailbox.append([New(MESSAGE)]))[0])

    async def test_all_accounts_gone_is_a_trouble_that_may_pass(self) -> None:
        store = await self.opened()
        away = self.path.with_name("away")
        shutil.copytree(self.path, away)
        subprocess.run(["umount", str(self.path)], check=True)
        self.addCleanup(mount, "-t", "tmpfs", "none", str(self.path))      # for the cleanup that takes it away
        self.path.rmdir()
        await self.refused(TryAgainLater, lambda: store.open_account("ada", FRESH_ACCOUNT))
        away.rename(self.path)
        await store.open_account("ada", FRESH_ACCOUNT)
