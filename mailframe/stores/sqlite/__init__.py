"""Mail in one SQLite file: narrow rows for what is listed, content apart, every change with its mod-sequence."""

from __future__ import annotations

from .store import SqliteStore

__all__ = ["SqliteStore"]
