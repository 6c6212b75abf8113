"""A content store in memory, the smallest that keeps all promises but to outlive its process."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from mailframe.interfaces.content import IContentStore, IStaged
from mailframe.model.refusal import NoSuchMessage


@implementer(IContentStore)
class MemoryContent:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self._last = 0

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def stage(self) -> MemoryStaged:
        return MemoryStaged(self)

    def read(self, content_id: str, offset: int, size: int) -> bytes:
        if content_id not in self.kept:
            raise NoSuchMessage()
        return self.kept[content_id][offset:offset + size]

    def remove(self, content_ids: Sequence[str]) -> None:
        for content_id in content_ids:
            self.kept.pop(content_id, None)

    def ids(self, after: str, limit: int) -> list[str]:
        return sorted(content_id for content_id in self.kept if content_id > after)[:limit]

    def keep(self, octets: bytes) -> str:
        self._last += 1
        self.kept[f"{self._last:012}"] = octets
        return f"{self._last:012}"


@implementer(IStaged)
class MemoryStaged:
    def __init__(self, store: MemoryContent) -> None:
        self._store = store
        self._octets: bytearray | None = bytearray()

    def write(self, octets: bytes) -> None:
        if self._octets is None:
            raise RuntimeError("write after seal or abort")
        self._octets += octets

    def seal(self) -> str:
        if self._octets is None:
            raise RuntimeError("seal after seal or abort")
        octets, self._octets = bytes(self._octets), None
        return self._store.keep(octets)

    def abort(self) -> None:
        self._octets = None
