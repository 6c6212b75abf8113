"""Annotations of one store's mailboxes and of the server: rows on the engine, and who wants to hear of changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from mailframe.interfaces.metadata import PRIVATE, MetadataListener
from mailframe.model.refusal import Refusal
from mailframe.sqlite.engine import Engine

from . import ledger
from .ledger import Part
from .schema import COMPONENT, MIGRATIONS
from .settings import MetadataLimits

_SERVER = ""            # in place of a store's name


class Keeper:
    """`name` parts one store's mailboxes from another's. The server's annotations are the same whatever the store."""

    def __init__(self, engine: Engine, name: str, limits: MetadataLimits) -> None:
        self.engine = engine
        self._name = name
        self._limits = limits
        self._listeners: dict[str, list[tuple[str, MetadataListener]]] = {}     # by account, with the actor
        engine.register(COMPONENT, MIGRATIONS)

    async def server(self, actor: str) -> dict[str, bytes]:
        rows = await self.engine.query(ledger.FIND_SERVER, (actor,))
        return {str(name): value for name, value in rows}

    async def mailbox(self, account: str, mailbox: str, actor: str) -> tuple[dict[str, bytes], int]:
        """(entries, the UIDVALIDITY that the mailbox must have if they are its own)."""
        rows = await self.engine.query(ledger.FIND, (self._name, account, mailbox, actor))
        return {name: value for name, value, _ in rows}, rows[0][2] if rows else 0

    async def keep_server(self, actor: str, entries: Mapping[str, bytes | None]) -> None:
        """Raises AnnotationTooBig, TooManyAnnotations, OverQuota."""
        parts = [Part((_SERVER, owner, ""), 0, owner, some) for owner, some in _divided(actor, entries).items()]
        await self._keep(parts)
        for listeners in list(self._listeners.values()):
            _tell(listeners, None, actor, entries)

    async def keep(
        self, account: str, mailbox: str, uidvalidity: int, actor: str, entries: Mapping[str, bytes | None],
    ) -> None:
        """Raises AnnotationTooBig, TooManyAnnotations, OverQuota."""
        place = (self._name, account, mailbox)
        await self._keep([Part(place, uidvalidity, owner, some) for owner, some in _divided(actor, entries).items()])
        _tell(self._listeners.get(account, ()), mailbox, actor, entries)

    async def _keep(self, parts: list[Part]) -> None:
        size = sum(len(value or b"") for part in parts for value in part.entries.values())
        if parts:
            await self.engine.submit(partial(ledger.keep, parts=parts, limits=self._limits), size)

    async def noted(self, account: str) -> list[tuple[str, int]]:
        """(mailbox id, number) of those with annotations."""
        return [(str(name), int(number)) for name, number in await self.engine.query(ledger.NOTED, (self._name, account))]

    async def forget(self, numbers: list[int]) -> Refusal | None:
        """What kept them from going: then somebody else finds them later."""
        if numbers:
            try:
                await self.engine.submit(partial(ledger.forget, numbers=numbers))
            except Refusal as refusal:
                return refusal
        return None

    def watch(self, account: str, actor: str, listener: MetadataListener) -> Callable[[], None]:
        """See IMetadata.watch_metadata."""
        entry = (actor, listener)
        self._listeners.setdefault(account, []).append(entry)

        def end() -> None:
            listeners = self._listeners.get(account, [])
            if entry in listeners:
                listeners.remove(entry)
            if not listeners:
                self._listeners.pop(account, None)

        return end


def _tell(
    listeners: Collection[tuple[str, MetadataListener]], mailbox: str | None, actor: str, entries: Collection[str],
) -> None:
    """To each what it may see."""
    shared = [name for name in entries if not name.startswith(PRIVATE)]
    for watching, listener in tuple(listeners):
        names = list(entries) if watching == actor else shared
        if names:
            listener(mailbox, names)


def _divided(actor: str, entries: Mapping[str, bytes | None]) -> dict[str, dict[str, bytes | None]]:
    """By whose they are: "" for what is shared."""
    found: dict[str, dict[str, bytes | None]] = {}
    for name, value in entries.items():
        found.setdefault(actor if name.startswith(PRIVATE) else "", {})[name] = value
    return found
