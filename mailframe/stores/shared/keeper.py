"""Who may do what with whose mailbox: the grants of one store's accounts, as rows on the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import apsw

from mailframe.model.mailbox import Listeners
from mailframe.model.refusal import LimitReached
from mailframe.model.rights import NEGATIVE, RightsChange, effective, identities
from mailframe.sqlite.engine import Engine
from mailframe.sqlite.rows import Row, fetch

from .names import Place, id_of
from .schema import COMPONENT, MIGRATIONS

_WHO = "identifier IN (?, ?, ?, ?, ?, ?)"
_ONE = "store = ? AND owner = ? AND place = ?"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one user may do in `place` (a mailbox by its id), while it has this UIDVALIDITY."""

    place: Place
    uidvalidity: int
    rights: str


class Keeper:
    """`name` parts one store's grants from another's. Every question is one indexed look; nothing is kept in memory but
    which UIDVALIDITY a mailbox had when it was last looked into."""

    def __init__(self, engine: Engine, name: str, max_entries: int) -> None:
        self.engine = engine
        self.listeners = Listeners()                # told the id (`names.id_of`) of what was granted or taken away
        self.seen: dict[Place, int] = {}            # UIDVALIDITY of shared mailboxes; ids are never used again
        self._name = name
        self._max_entries = max_entries
        engine.register(COMPONENT, MIGRATIONS)

    # -- questions

    async def shared_with(self, user: str) -> list[Grant]:
        """Of all other accounts' mailboxes those on which `user` has any right."""
        rows = await self.engine.query(
            "SELECT owner, place, uidvalidity, identifier, rights FROM acl INDEXED BY acl_identifier "
            f"WHERE store = ? AND {_WHO} ORDER BY owner, place", (self._name, *_meant(user)))
        return [grant for grant in _grants(rows, user) if grant.place.owner != user]

    async def shared_by(self, owner: str, user: str) -> list[Grant]:
        """Of `owner`'s alone."""
        rows = await self.engine.query(
            f"SELECT owner, place, uidvalidity, identifier, rights FROM acl WHERE store = ? AND owner = ? AND {_WHO} "
            "ORDER BY place", (self._name, owner, *_meant(user)))
        return list(_grants(rows, user))

    async def grant(self, place: Place, user: str) -> Grant | None:
        rows = await self.engine.query(
            f"SELECT owner, place, uidvalidity, identifier, rights FROM acl WHERE {_ONE} AND {_WHO}",
            (*self._key(place), *_meant(user)))
        return next(_grants(rows, user), None)

    async def entries(self, place: Place, uidvalidity: int) -> dict[str, str]:
        """Rights by identifier, without the owner's."""
        rows = await self.engine.query(
            f"SELECT identifier, rights FROM acl WHERE {_ONE} AND uidvalidity = ? ORDER BY identifier",
            (*self._key(place), uidvalidity))
        return {str(identifier): str(rights) for identifier, rights in rows}

    async def shares(self, owner: str) -> bool:
        """Whether anything of `owner`'s is shared."""
        return bool(await self.engine.query(
            "SELECT 1 FROM acl WHERE store = ? AND owner = ? LIMIT 1", (self._name, owner)))

    async def noted(self, place: Place) -> bool:
        """Whether anybody is in this mailbox's list."""
        return bool(await self.engine.query(f"SELECT 1 FROM acl WHERE {_ONE} LIMIT 1", self._key(place)))

    # -- changes, durable on return

    async def change(self, place: Place, uidvalidity: int, identifier: str, change: RightsChange) -> None:
        """Raises LimitReached."""
        await self.engine.submit(partial(
            _change, key=self._key(place), uidvalidity=uidvalidity, identifier=identifier, change=change, most=self._max_entries))
        self.listeners.tell(id_of(place))

    async def inherit(self, place: Place, uidvalidity: int, entries: Iterable[tuple[str, str]]) -> None:
        """The list of a mailbox that is new."""
        rows = [(*self._key(place), identifier, uidvalidity, rights) for identifier, rights in entries]

        def job(con: apsw.Connection) -> None:
            con.execute(f"DELETE FROM acl WHERE {_ONE}", self._key(place))
            con.executemany("INSERT INTO acl VALUES (?, ?, ?, ?, ?, ?)", rows)
        await self.engine.submit(job)
        self.listeners.tell(id_of(place))

    async def forget(self, place: Place) -> None:
        """The mailbox is gone."""
        self.seen.pop(place, None)
        if await self.noted(place):
            def job(con: apsw.Connection) -> None:
                con.execute(f"DELETE FROM acl WHERE {_ONE}", self._key(place))
            await self.engine.submit(job)
        self.listeners.tell(id_of(place))

    def _key(self, place: Place) -> tuple[str, str, str]:
        return self._name, place.owner, place.what


def _change(
    con: apsw.Connection, key: Sequence[str], uidvalidity: int, identifier: str, change: RightsChange, most: int,
) -> None:
    con.execute(f"DELETE FROM acl WHERE {_ONE} AND uidvalidity != ?", (*key, uidvalidity))     # all rows of one have the same
    rows = fetch(con, f"SELECT rights FROM acl WHERE {_ONE} AND identifier = ?", (*key, identifier))
    rights = change.apply(rows[0][0] if rows else "")
    if not rights:
        con.execute(f"DELETE FROM acl WHERE {_ONE} AND identifier = ?", (*key, identifier))
        return
    if not rows and fetch(con, f"SELECT count(*) FROM acl WHERE {_ONE}", key)[0][0] >= most:
        raise LimitReached("Too many entries in this mailbox's list")
    con.execute("INSERT OR REPLACE INTO acl VALUES (?, ?, ?, ?, ?, ?)", (*key, identifier, uidvalidity, rights))


def _meant(user: str) -> list[str]:
    """The identifiers that speak of `user`: always six, so that the statement is the same."""
    who = sorted(identities(user))
    who += who[:1] * (3 - len(who))
    return [*who, *(NEGATIVE + each for each in who)]


def _grants(rows: Iterable[Row], user: str) -> Iterator[Grant]:
    """Of rows in the order of accounts and mailboxes; what comes to no right is left out."""
    for (owner, mailbox, uidvalidity), entries in groupby(rows, lambda row: (row[0], row[1], row[2])):
        rights = effective(((row[3], row[4]) for row in entries), user)
        if rights:
            yield Grant(Place(owner, mailbox), uidvalidity, rights)
