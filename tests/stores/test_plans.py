"""No everyday question reads a whole mailbox (I2): SQLite's plan of every statement is looked at."""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import Any

import apsw
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from mailframe.model.flags import FLAGGED, SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, Attributes, Field, New, NewMailbox
from mailframe.sqlite.engine import Engine
from mailframe.stores.sqlite import SqliteStore
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
#: Walks over what is small or made for the purpose; everything else has to be a search.
HARMLESS = re.compile(
    r"SCAN (mailbox USING INDEX mailbox_deleted|carray|old|gone|copies|CONSTANT ROW|\(subquery|components|json_each|\d+-ROW"
    r"|\d+ CONSTANT)|LIST SUBQUERY")
WHOLE_MAILBOX = re.compile(r"SEARCH (message|m|head|attributes|vanished|lingering)\b.*\((mailbox=\?( AND modseq<\?)?)?\)")

#: Any of them, no more than so many: what the sweeper takes of a mailbox that is gone.
SLICE = re.compile(r"^(?!.*ORDER BY).* LIMIT \?$", re.DOTALL)


class PlanTests(TemporaryPlaces, TestCase):
    async def test_every_statement_searches(self) -> None:
        store = SqliteStore(Engine(Path(self.mktemp()) / "mail.db", reactor), reactor, attributes_version=1)
        await store.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(store.close()))
        said: dict[str, Any] = {}

        def trace(cursor: Any, sql: str, bindings: Any) -> bool:
            said[sql] = bindings
            return True
        assert store.engine._inline is not None
        store.engine._inline.exec_trace = trace
        await store.engine.submit(lambda con: setattr(con, "exec_trace", trace))
        await self.everyday(store)
        await store.engine.submit(lambda con: setattr(con, "exec_trace", None))
        store.engine._inline.exec_trace = None
        self.assertGreater(len(said), 30)
        faults = await store.engine.submit(lambda con: self.explain(con, said))
        self.assertEqual([], faults)

    def explain(self, con: apsw.Connection, said: dict[str, Any]) -> list[str]:
        faults = []
        for sql, bindings in said.items():
            if sql.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT"):
                for *_, step in con.execute("EXPLAIN QUERY PLAN " + sql, bindings).fetchall():
                    whole = WHOLE_MAILBOX.search(step) and not SLICE.search(sql)
                    if (step.startswith("SCAN") and not HARMLESS.match(step)) or whole:
                        faults.append(f"{step}: {sql}")
        return faults

    async def everyday(self, store: SqliteStore) -> None:
        account = await store.open_account("ada", FRESH_ACCOUNT)
        boxes = {info.name: await account.open_mailbox(info.id) for info in (await account.mailboxes()).mailboxes}
        inbox: Any = boxes["INBOX"]
        uids = await inbox.append([New(b"x", b"h", attributes=Attributes(1, b"e", b"s", b"i"))] * 20)
        await inbox.append([New(b"y" * 300_000)])
        cursor = (await inbox.status()).cursor
        await inbox.keywords(["word"])
        await inbox.set_flags(uids[:3], FlagChange.add(SEEN), 1)
        await inbox.set_flags(uids[:3], FlagChange.add(SEEN), None)
        at_once = [Deferred.fromCoroutine(inbox.set_flags([uid], FlagChange.add(FLAGGED), None)) for uid in uids[5:8]]
        await gatherResults(at_once)
        for fields in (Field.FLAGS, ~Field.NONE):
            await inbox.rows([(1, 5)], 10, fields)
            await inbox.rows([(uid, uid) for uid in uids[::2]], 10, fields)
            await inbox.set_flags(uids[3:5], FlagChange.add(SEEN), None)
        for uid in (1, 21):
            await inbox.read(uid, 0, 10)
        target: Any = boxes["Archive"]
        await inbox.copy(uids[:2], target.id)
        await inbox.move(uids[2:4], target.id)
        await inbox.expunge(array("I", [7]), False)
        await inbox.read(7, 0, 10)
        await inbox.rows([(1, 5)], 10, Field.FLAGS)
        await inbox.changes(cursor)
        await inbox.remember([5], [Attributes(1, b"", b"", b"")])
        await inbox.claim_recent()
        info = await account.create(NewMailbox("new", None, True))
        await account.rename([(info.id, "newer")])
        await account.set_subscribed("newer", False)
        await store.sweep()         # before there is a deleted mailbox, of which all goes, in slices
        await account.delete(info.id)
        unit, _ = store.append_unit([("bob", "INBOX", New(b"z"))])
        await store.engine.submit(unit)
        await account.set_quota(1_000_000_000, 1_000)       # type: ignore[attr-defined]
        await account.quota()                               # type: ignore[attr-defined]
        await inbox.append([New(b"Message-ID: <2@x>\r\nReferences: <0@x> <1@x>\r\n\r\n")])
        await inbox.rows([(1, 50)], 10, Field.THREADID)
        await store.content.sweep()
