"""Places for tests that are gone when the test is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unittest import TestCase as _Base
else:
    _Base = object


class TemporaryPlaces(_Base):
    """For a trial TestCase: `mktemp` outside the working folder, which trial alone makes a temporary one."""

    def mktemp(self) -> str:
        """A path where nothing is yet, removed with all beneath it after the test and its earlier cleanups."""
        folder = tempfile.mkdtemp(prefix="mailframe-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return str(Path(folder) / "temp")
