"""Flags changed by many sessions at once (stores.sqlite.flagging): one group's jobs, done together, do what each does alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mailframe.model.flags import DELETED, SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.stores.sqlite.flagging import Flagging, job, set_flags
from mailframe.stores.sqlite.schema import MIGRATIONS, signed

HIGHEST = 1 << 63
MASKS = st.sampled_from([0, SEEN, DELETED, SEEN | DELETED, HIGHEST, HIGHEST | SEEN])
CHANGES = st.builds(lambda how, mask: how(mask), st.sampled_from([FlagChange.add, FlagChange.remove, FlagChange.replace]), MASKS)
JOBS = st.builds(Flagging, st.sampled_from([1, 2]), st.lists(st.integers(1, 8), unique=True, max_size=5), CHANGES,
                 st.one_of(st.none(), st.integers(0, 14)))


@contextmanager
def mailboxes(masks: list[int]) -> Iterator[apsw.Connection]:
    """Two mailboxes with these flags in each, UIDs from 1 and mod-sequences from 2 on."""
    con = apsw.Connection(":memory:")
    for step in MIGRATIONS:
        con.execute(step)
    for mailbox in (1, 2):
        unseen, deleted = sum(not mask & SEEN for mask in masks), sum(bool(mask & DELETED) for mask in masks)
        con.execute("INSERT INTO mailbox (id, account, name, uidvalidity, modseq, messages, unseen, deleted) "
                    "VALUES (?, 1, ?, 1, ?, ?, ?, ?)", (mailbox, str(mailbox), len(masks) + 1, len(masks), unseen, deleted))
        for uid, mask in enumerate(masks, 1):
            con.execute("INSERT INTO message (mailbox, uid, flags, modseq, date, saved, size, content) "
                        "VALUES (?, ?, ?, ?, 7, 8, 9, 10)", (mailbox, uid, signed(mask), uid + 1))
    yield con
    con.close()


def held(con: apsw.Connection) -> list[Any]:
    return [con.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in ("mailbox", "message")]


@settings(max_examples=60, deadline=None)
@given(masks=st.lists(MASKS, max_size=6), jobs=st.lists(JOBS, min_size=2, max_size=8))
def test_jobs_together_do_what_they_do_one_after_the_other(masks: list[int], jobs: list[Flagging]) -> None:
    with mailboxes(masks) as alone, mailboxes(masks) as together:
        wanted = [set_flags(alone, *each) for each in jobs]
        bundled = job(jobs[0])
        found = bundled.together(together, jobs)
        assert [(each.rows, each.refused, bool(each.modseq)) for each in wanted] == [
            (each.rows, each.refused, bool(each.modseq)) for each in found]
        assert held(alone) == held(together)
        for mailbox in (1, 2):      # one hint, which says how far to look, is enough for all
            told = {each.modseq for each, item in zip(found, jobs) if each.modseq and item.mailbox == mailbox}
            assert told <= set(alone.execute("SELECT modseq FROM mailbox WHERE id = ?", (mailbox,)).fetchone() or ())


class FlaggingTests(TestCase):
    timeout = 30

    async def test_sessions_that_store_at_once_get_a_mod_sequence_each_and_one_hint(self) -> None:
        """RFC 7162 section 3.1: each STORE gets a different one."""
        clock: Any = reactor
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        store: Any = SqliteStore(Engine(Path(mkdtemp(dir=folder)) / "mail.sqlite", clock, name="test"), clock)
        await store.start()
        self.addCleanup(store.close)
        account = await store.open_account("alice", FRESH_ACCOUNT)
        inbox = next(info.id for info in (await account.mailboxes()).mailboxes if info.name == "INBOX")
        box = await account.open_mailbox(inbox)
        uids = list(await box.append([New(b"x", date=1, size=1)] * 20))
        cursor = (await box.status()).cursor
        hints: list[str] = []
        account.subscribe(hints.append)
        commits = store.engine.commits
        stored = await gatherResults([_begun(box, uid) for uid in uids])
        self.assertEqual(1, store.engine.commits - commits)
        self.assertEqual([inbox], hints)
        self.assertEqual(20, len({each.rows.modseqs[0] for each in stored}))
        self.assertEqual([SEEN] * 20, list((await box.changes(cursor)).rows.flags))
        status = await box.status()
        self.assertEqual((0, cursor + 20), (status.unseen, status.cursor))
        await _begun(box, uids[0])                  # nothing is changed, so nobody is told
        self.assertEqual([inbox], hints)


def _begun(box: Any, uid: int) -> Any:
    return Deferred.fromCoroutine(box.set_flags([uid], FlagChange.add(SEEN), None))
