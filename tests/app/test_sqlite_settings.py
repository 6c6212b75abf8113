"""What [storage] says to the SQLite store reaches it, and a wrong value is a sentence that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from mailframe.app.build import build
from mailframe.app.config import FIXED, Config
from mailframe.app.parts import Parts
from mailframe.app.toml import ConfigError, Document, read
from mailframe.stores.sqlite.settings import SqliteSettings


def parts(tmp_path: Path, text: str) -> Parts:
    whole = f'domains = ["example.org"]\ndata = "{tmp_path}"\n[storage]\n{text}'
    config: Any = read(Document.parse(whole, "test.toml"), Config, FIXED)
    return build(config, MemoryReactorClock())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("where", ["", 'path = "mailboxes.db"\n'])
def test_limits_reach_the_store(tmp_path: Path, where: str) -> None:
    built = parts(tmp_path, f'plugin = "sqlite"\n{where}max_octets = 5_000_000\nexpunged_kept = 20_000\n')
    store: Any = built.store
    assert store._parts.settings == SqliteSettings(max_octets=5_000_000, expunged_kept=20_000, search_text=True)
    assert (store.engine.path.name == "mailboxes.db") == bool(where)


@pytest.mark.parametrize(("line", "said"), [
    ("max_octets = -1", "max_octets is -1"), ("expunged_kept = 5", "expunged_kept is 5"),
    ('max_messages = "many"', "'max_messages'")])
def test_what_cannot_be_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parts(tmp_path, f'plugin = "sqlite"\n{line}\n')
