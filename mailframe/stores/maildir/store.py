"""The store itself: its life, its accounts, its deliveries, and the poll that sees what others do."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from mailframe.interfaces.content import IReadableContent, IStaged
from mailframe.interfaces.store import IAccount, IDelivers, IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, New, NewMailbox
from mailframe.model.refusal import Refusal
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.errors import EngineError
from mailframe.stores.sqlite import SqliteStore

from . import names
from .account import MaildirAccount
from .delivering import Delivery
from .disk import Disk
from .home import Home
from .names import Namer
from .reading import OpenFiles
from .schema import MIGRATIONS
from .shared import Shared

_log = Logger()

POLL_S = 1.0                # an idle session hears within a second of what another program did
OWN_FOLDER = ".mailframe"   # beside the accounts, whose folders never begin with "."
DATABASE = "index.db"
_RECENT = 200               # accounts that stay known, a few KiB each


@implementer(IMailStore, IDelivers, IReadableContent)
class MaildirStore:
    """`path` is the folder of all accounts, `layout` where each is beneath it; `index` the database file, if not beneath it.

    The index can be deleted while nothing runs: it is made again from the files, with new UIDs and a new UIDVALIDITY.
    Raises ValueError for a layout that cannot be used.
    """

    def __init__(
        self, path: Path, reactor: Any, *, layout: str = "{account}", index: Path | None = None,
        attributes_version: int | None = None, host: str | None = None,
    ) -> None:
        names.check_layout(layout)
        engine = Engine(index or path / OWN_FOLDER / DATABASE, reactor, name="maildir")
        self.index = SqliteStore(engine, reactor, attributes_version=attributes_version)
        engine.register("maildir", MIGRATIONS)
        namer = Namer(host or socket.gethostname(), os.getpid, time.time)
        self._shared = Shared(self.index, Disk(reactor), namer, OpenFiles(), path, layout)
        self._homes: WeakValueDictionary[str, Home] = WeakValueDictionary()
        self._recent: deque[Home] = deque(maxlen=_RECENT)       # between two deliveries nobody else holds them
        self._polling = LoopingCall(self._poll)
        self._polling.clock = reactor
        self._failed: set[str] = set()

    async def start(self) -> None:
        """Raises EngineError with a sentence for people."""
        await self.index.start()
        self._polling.start(POLL_S, now=False).addErrback(lambda failure: _log.failure("polling ended", failure))

    async def open_account(self, name: str, fresh: Sequence[NewMailbox]) -> IAccount:
        account: IAccount = MaildirAccount(await self._home(name, fresh))
        return account

    async def close(self) -> None:
        if self._polling.running:
            self._polling.stop()
        await self.index.close()
        self._shared.open_files.close()

    async def stage(self) -> IStaged:
        return await self.index.stage()

    async def read(self, content_id: str, offset: int, size: int) -> bytes:
        return await self.index.read(content_id, offset, size)

    async def deliver(
        self, targets: Sequence[tuple[str, str, New]], fresh: Sequence[NewMailbox] = FRESH_ACCOUNT,
    ) -> Sequence[Refusal | None]:
        """See `IDelivers`: recipients of the same octets get one file under several names."""
        return await Delivery(self._shared, lambda name: self._home(name, fresh), targets).deliver()

    async def _home(self, name: str, fresh: Sequence[NewMailbox]) -> Home:
        home = self._homes.get(name)
        if home is None:
            path = self._shared.root / names.account_folder(self._shared.layout, name)
            home = self._homes[name] = Home(self._shared, name, path)
            self._recent.append(home)
        await home.open(fresh)
        return home

    async def _poll(self) -> None:
        self._shared.open_files.sweep()
        watched = [home for home in self._homes.values() if home.listening]
        for home in watched:
            try:
                await home.poll()
                self._failed.discard(home.name)
            except EngineError:
                return                  # the store is being closed
            except Exception as error:
                if home.name not in self._failed:
                    self._failed.add(home.name)
                    _log.warn("cannot look at the folders of {name}: {error}", name=home.name, error=error)
