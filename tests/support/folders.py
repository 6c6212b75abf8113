"""Temporary folders that are gone after the test, for tests over the real reactor."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase


class CleanTestCase(TestCase):
    """As trial's, but `mktemp` names a path in a folder of the system's that is removed at the end."""

    def mktemp(self) -> str:
        folder = tempfile.mkdtemp(prefix="mailframe-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return str(Path(folder) / "x")
