"""Options of the test run."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

from mailframe.testing.store_base import StoreBase

_FOLDER = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """trial's mktemp makes folders where the test run stands: let it stand where they are removed at the end."""
    session.config.stash[_FOLDER] = tempfile.mkdtemp(prefix="mailframe-tests-")
    os.chdir(session.config.stash[_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_FOLDER, None)
    if folder is not None:
        os.chdir(config.rootpath)
        shutil.rmtree(folder, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    StoreBase.long = config.getoption("--long")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run slow loops (crash, fuzz, property) in their long form")
