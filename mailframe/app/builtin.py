"""The plugins that come with mailframe, by kind and name; the same factories as a third party would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import makeChecker
from zope.interface import implementer

from mailframe.app.plugins import BuildContext
from mailframe.auth.accounts import AccountsFile
from mailframe.auth.localnames import LocalNames
from mailframe.interfaces.content import IContentInIndex
from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.plugin import ILifecycle
from mailframe.mime.attributes import VERSION
from mailframe.model.address import Address
from mailframe.model.route import Account, Remote, Resolution
from mailframe.pipeline.local import LocalAgent
from mailframe.sqlite.engine import Engine
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.maildir import MaildirStore
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.stores.sqlite.sharding import MOST, shard_path
from mailframe.stores.sqlite.shards import ShardedStore
from mailframe.stores.sqlite.store import SqliteStore

DATABASE = "mailframe.db"
CONTENT = "content"
ACCOUNTS = "accounts"
_ACCOUNTS_HEAD = "# One account a line, NAME@DOMAIN:HASH; aliases as ALIAS@DOMAIN -> NAME@DOMAIN. Kept by: mailframe user\n"


def sqlite(
    context: BuildContext, path: Path | None = None, max_octets: int | None = None, max_messages: int | None = None,
    expunged_kept: int = SqliteSettings().expunged_kept, shards: int = 1,
    search_text: bool = True, search_index: bool = False,
) -> SqliteStore | ShardedStore:
    """Mailboxes in SQLite: in one file, by default with the queue's, or dealt out by account over several (shards)."""
    if not 1 <= shards <= MOST:
        raise ValueError(f"shards is {shards}; it can be 1 to {MOST}")
    settings = SqliteSettings(max_octets, max_messages, expunged_kept, search_text, search_index)
    first = path or context.data / DATABASE
    stores = []
    for place in range(shards):
        own = path is not None or place > 0
        engine = Engine(shard_path(first, place, shards), context.reactor, name=f"mail{place + 1}") if own else context.engine
        content = context.content.beside(engine) if own and context.content else context.content
        stores.append(SqliteStore(
            engine, context.reactor, content=content, attributes_version=VERSION, settings=settings, shard=(place, shards)))
    return stores[0] if shards == 1 else ShardedStore(stores)


def maildir(context: BuildContext, path: Path, layout: str = "{account}", index: Path | None = None) -> MaildirStore:
    """Mailboxes as Maildir++ folders that other programs share, one folder for each account."""
    return MaildirStore(path, context.reactor, layout=layout, index=index, attributes_version=VERSION)


def memory() -> MemoryStore:
    """Mailboxes in memory, gone when the server ends; for tests."""
    return MemoryStore()


def directory(context: BuildContext, path: Path | None = None) -> DirectoryContent:
    """Large messages as plain files in a folder, by default content in the data folder."""
    return DirectoryContent(path or context.data / CONTENT, context.reactor)


@implementer(IContentInIndex)
class InDatabase:
    """Large messages in the database itself, in pieces beside the index."""


def mailbox(context: BuildContext) -> LocalAgent:
    """Into the mailboxes of the storage."""
    return LocalAgent(context.store, fresh=context.fresh)


def accounts_file(context: BuildContext, path: Path | None = None) -> Accounts:
    """Accounts and aliases in a text file that `mailframe user` keeps."""
    return Accounts(
        path or context.data / ACCOUNTS, create=path is None, reactor=context.reactor, clock=context.reactor,
        domains=context.domains, postmaster=context.postmaster,
    )


@implementer(ILifecycle)
class Accounts(AccountsFile):
    """The accounts file, with its start: the one in the data folder is made when there is none."""

    def __init__(self, path: Path, *, create: bool, **arguments: Any) -> None:
        super().__init__(path, **arguments)
        self._create = create

    async def start(self) -> None:
        """Raises ValueError and OSError, each a sentence."""
        if self._create and not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(0o600)
            self.path.write_text(_ACCOUNTS_HEAD)
        self.load()


def strcred(context: BuildContext, description: str) -> ICredentialsChecker:
    """Any credentials checker that Twisted knows, as twistd's own --auth spells it: strcred:unix, strcred:file:PATH."""
    return LocalNames(makeChecker(description), context.domains)  # type: ignore[no-untyped-call]


@implementer(IDirectory)
class Everyone:
    """Every name at our domains is an account of its own: for checkers that cannot be asked who exists."""

    def __init__(self, context: BuildContext) -> None:
        self._domains = frozenset(context.domains)

    async def resolve(self, addresses: Sequence[Address]) -> Sequence[Resolution]:
        """See IDirectory."""
        return [Account(address.folded) if address.domain in self._domains else Remote() for address in addresses]

    async def may_send_as(self, account: str, address: Address) -> bool:
        """Its own address alone."""
        return address.folded == account.lower()


BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "storage": {"sqlite": sqlite, "maildir": maildir, "memory": memory},
    "content": {"directory": directory, "sqlite": InDatabase},
    "delivery": {"mailbox": mailbox},
    "auth": {"file": accounts_file, "strcred": strcred},
    "directory": {"file": accounts_file, "everyone": Everyone},
    "filter": {},
}
