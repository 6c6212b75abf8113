"""Mail in JSON files, one for each account: a complete storage plugin. Copy it, and put your own storage in its place.

What happens to mailboxes and messages is `PlainStore`'s; this says where they rest. Where accounts are too big to be saved whole,
write the three classes of `mailframe.interfaces.store` yourself: `mailframe/stores/memory.py` is the shortest that has them all.
"""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.threads import deferToThreadPool

from mailframe.stores.plain_store import PlainStore


class JsonStore(PlainStore):
    """Mail in JSON files, one for each account, in the folder `path`."""

    def __init__(self, path: Path, reactor: Any) -> None:
        super().__init__()
        self.folder, self.reactor = path, reactor

    async def start(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self, name: str) -> dict[str, Any] | None:
        file = self.file(name)
        return json.loads(file.read_bytes()) if file.exists() else None

    async def save(self, name: str, account: dict[str, Any]) -> None:
        await deferToThreadPool(self.reactor, self.reactor.getThreadPool(), self.write, self.file(name), account)

    def file(self, name: str) -> Path:
        return self.folder / (quote(name, safe="@") + ".json")      # no "/" in it, whatever the name

    def write(self, path: Path, account: dict[str, Any]) -> None:
        """In a thread, so that nobody else waits for the disk. The old file or the new one, whenever the power fails."""
        new = path.with_suffix(".new")
        with open(new, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            json.dump(account, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
