"""Works on a store until it is killed, and says on standard output what it begins and what was acknowledged."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, New
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.maildir import MaildirStore
from mailframe.stores.sqlite import SqliteStore

reactor: Any = the_reactor
WRITERS = 8
LARGE = 600_000


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def octets(size: int) -> bytes:
    return os.urandom(size)


async def work(store: SqliteStore | MaildirStore, number: int) -> None:
    account = await store.open_account(f"user{number % 2}", FRESH_ACCOUNT)
    inbox: Any = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
    turn = 0
    while True:
        turn += 1
        body = octets(LARGE if turn % 20 == 7 else 3_000)
        content: bytes | str = body
        if len(body) == LARGE:
            staged = await store.stage()
            await staged.write(body)
            content = await staged.seal()
        uid = (await inbox.append([New(content, b"Head: 1\r\n")]))[0]
        say("appended", number % 2, uid, sha256(b"Head: 1\r\n" + body).hexdigest())
        if turn % 3 == 0:
            say("flagging", number % 2, uid)
            await inbox.set_flags([uid], FlagChange.add(SEEN), None)
            say("flagged", number % 2, uid)
        if turn % 5 == 0:
            say("expunging", number % 2, uid)
            await inbox.expunge([uid], False)
            say("expunged", number % 2, uid)


async def opened(path: Path, kind: str) -> SqliteStore | MaildirStore:
    """A started store whose large content rests in the database ("sqlite") or beside it ("directory"); or a Maildir."""
    if kind == "maildir":
        maildir = MaildirStore(path, reactor)
        await maildir.start()
        return maildir
    engine = Engine(path, reactor)
    outside = DirectoryContent(path.with_name("content"), reactor) if kind == "directory" else None
    if outside is not None:
        await outside.start()
    store = SqliteStore(engine, reactor, content=SqliteContent(engine, reactor, outside))
    await store.start()
    return store


async def run(path: Path, kind: str) -> None:
    store = await opened(path, kind)
    await gatherResults([Deferred.fromCoroutine(work(store, number)) for number in range(WRITERS)])


if __name__ == "__main__":
    react(lambda _, path, kind: Deferred.fromCoroutine(run(Path(path), kind)), sys.argv[1:])
