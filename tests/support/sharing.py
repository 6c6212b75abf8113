"""Stores whose accounts can share mailboxes, with nothing outside this process."""

from __future__ import annotations

from typing import Any

from mailframe.stores.annotated.store import store_annotated
from mailframe.stores.memory import MemoryStore
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.shared.store import store_shared

from .imap_world import NOW
from .inline_engine import InlineEngine


def sharing(
    inner: Any = None, engine: Any = None, settings: SharingSettings | None = None, *, annotated: bool = False,
) -> Any:
    """`inner` (a store in memory) with grants, and annotations if asked for, on `engine` (in memory)."""
    inner = MemoryStore(lambda: NOW) if inner is None else inner
    engine = InlineEngine() if engine is None else engine
    if annotated:
        inner = store_annotated(inner, engine, name="test")
    return store_shared(inner, engine, name="test", settings=settings)
