"""`mailframe store ...` as a test calls it: in this process, which is quicker, or as an operator's child process."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from mailframe.app.command import main

from .servers import PATIENCE_S

Answer = tuple[int, str, str]


def run(*arguments: object, cwd: Path | None = None) -> Answer:
    """(exit code, standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd or Path.cwd())
        code = main(["store", *map(str, arguments)])
    return code, out.getvalue(), err.getvalue()


def run_child(*arguments: object, cwd: Path | None = None) -> Answer:
    """As `run`, of the real command."""
    command = [sys.executable, "-m", "mailframe.app.command", "store", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr
