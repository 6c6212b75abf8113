"""The content contract over our content stores: plain files, the tables of SQLite, its ledger over files, and memory."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.content_stores import LedgerAsStore, files, pieces, pieces_and_files
from support.memory_content import MemoryContent
from twisted.internet import reactor as the_reactor
from twisted.trial.unittest import TestCase

from mailframe.interfaces.content import IContentStore
from mailframe.stores.directory import DirectoryContent
from mailframe.testing.contracts import ContentContract

reactor: Any = the_reactor


#: Of the ledger over others' storing only with --long: tests/sqlite/test_content.py has the same in few.
_LONG = ("test_a_slice", "test_octets_come_back")


class Examined(ContentContract):
    """Every step is a last one with --long; a small disk where one can be mounted."""

    crash_points = 24

    @pytest.fixture(autouse=True)
    def _length(self, request: pytest.FixtureRequest) -> None:
        if request.config.getoption("--long", default=False):
            self.crash_points = 0       # type: ignore[misc]
        elif self.make_content(Path()).__class__ is LedgerAsStore and request.node.name.startswith(_LONG):
            pytest.skip("only with --long")

    def small_place(self) -> Path | None:
        folder = Path(self.mktemp())
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "none", str(folder)],
                                 capture_output=True, check=False)
        if mounted.returncode:
            return None
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)], check=True)
        return folder / "content"


class DirectoryContract(Examined, TestCase):
    killed: ClassVar[str] = "support.content_stores:files"

    def make_content(self, place: Path) -> DirectoryContent:
        return files(place, reactor)


class PiecesContract(Examined, TestCase):
    """On a disk that is altogether full a database cannot remove anything either: that needs room in its log."""

    killed: ClassVar[str] = "support.content_stores:pieces"
    crash_points = 12                   # SQLite's file work is out of sight: what it says are the steps

    def make_content(self, place: Path) -> LedgerAsStore:
        return pieces(place, reactor)

    def small_place(self) -> Path | None:
        return None


class LedgerContract(Examined, TestCase):
    killed: ClassVar[str] = "support.content_stores:pieces_and_files"

    def make_content(self, place: Path) -> LedgerAsStore:
        return pieces_and_files(place, reactor)


class MemoryContract(ContentContract, TestCase):
    durable: ClassVar[bool] = False
    in_memory: ClassVar[bool] = True

    def make_content(self, place: Path) -> IContentStore:
        store: IContentStore = MemoryContent()
        return store
