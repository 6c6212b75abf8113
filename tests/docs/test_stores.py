"""The stores of docs/plugin-authors.md pass the examinations that the page shows: a file of its own, for a core of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support.documents import AUTHORS, run, write_files
from support.servers import PATIENCE_S


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A folder with the files that the page shows."""
    write_files(AUTHORS, tmp_path)
    return tmp_path


@pytest.mark.parametrize("tests", ["test_notes.py", "test_whole.py"])
def test_the_store_passes_the_examination_that_it_is_shown_with(acme: Path, tests: str) -> None:
    command = sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"acme/{tests}"
    said = run(*command, cwd=acme, patience_s=20 * PATIENCE_S)
    assert int(re.search(r"(\d+) passed", said)[1]) > 65 and "failed" not in said  # type: ignore[index]
    if tests == "test_notes.py":
        assert "SKIPPED [1]" in (line := next(line for line in said.splitlines() if "IMovable is not provided" in line)), line


def test_the_content_store_passes_the_examination_that_it_is_shown_with(acme: Path) -> None:
    """Of its two hundred checks some of each sort, the killing among them."""
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
               "-k", "removing or abort or ids or 256_KiB_and_one or kill_9",
               "acme/test_vault.py", cwd=acme, patience_s=5 * PATIENCE_S)
    assert int(re.search(r"(\d+) passed", said)[1]) > 30 and "failed" not in said  # type: ignore[index]
