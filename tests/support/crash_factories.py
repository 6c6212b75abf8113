"""Stores for the children that the store contract kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailframe.interfaces.store import IMailStore
from mailframe.sqlite.engine import Engine
from mailframe.stores.memory import MemoryStore
from mailframe.stores.sqlite import SqliteStore


def sqlite(place: str, reactor: Any) -> IMailStore:
    """In the folder `place`."""
    store: IMailStore = SqliteStore(Engine(Path(place) / "mail.db", reactor), reactor)
    return store


def forgetful(place: str, reactor: Any) -> IMailStore:
    """One that keeps nothing of what it promises."""
    store: IMailStore = MemoryStore()
    return store
