"""Mailbox access keys (RFC 4467) in the server's own database, whatever store holds the mail."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import apsw
from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, IMailStore
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import fetch

KEY_OCTETS = 32             # as long as the digest it is used with; RFC 4467 section 2.2 asks for 16 at least

#: Steps are only ever added at the end.
MIGRATIONS = (
    """
    CREATE TABLE mailbox_key (
        account TEXT NOT NULL, mailbox TEXT NOT NULL, octets BLOB NOT NULL, PRIMARY KEY (account, mailbox)) WITHOUT ROWID;
    """,
)
_FIND = "SELECT octets FROM mailbox_key WHERE account = ? AND mailbox = ?"


@implementer(IMailboxKeys)
class MailboxKeys:
    """For the accounts of `store`. `random` gives so many unguessable octets."""

    def __init__(self, engine: Engine, store: IMailStore, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._engine, self._store, self._random = engine, store, random
        engine.register("urlauth", MIGRATIONS)

    async def key(self, account: str, mailbox_id: str) -> bytes | None:
        found = await self._engine.query(_FIND, (account, mailbox_id))
        return found[0][0] if found else None

    async def made(self, account: str, mailbox_id: str) -> bytes:
        known = await self.key(account, mailbox_id)
        if known is not None:
            return known
        fresh = self._random(KEY_OCTETS)

        def job(con: apsw.Connection) -> bytes:
            con.execute("INSERT OR IGNORE INTO mailbox_key VALUES (?, ?, ?)", (account, mailbox_id, fresh))
            key: bytes = fetch(con, _FIND, (account, mailbox_id))[0][0]     # another session may have been first
            return key
        return await self._engine.submit(job)

    async def reset(self, account: str, mailbox_id: str | None) -> None:
        fresh = self._random(KEY_OCTETS)

        def job(con: apsw.Connection) -> None:
            if mailbox_id is None:
                con.execute("DELETE FROM mailbox_key WHERE account = ?", (account,))
            else:
                con.execute("INSERT OR REPLACE INTO mailbox_key VALUES (?, ?, ?)", (account, mailbox_id, fresh))
        await self._engine.submit(job)

    async def open_account(self, name: str) -> IAccount | None:
        if not await self._engine.query("SELECT 1 FROM mailbox_key WHERE account = ? LIMIT 1", (name,)):
            return None
        account: IAccount = await settled(self._store.open_account(name, ()))
        return account
