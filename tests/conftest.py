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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """A whole run takes all cores, a file on one each, if pytest-xdist is there; what is named (a file, ``-k``) runs as it stands.

    ``-n 0`` keeps all in one process. Not in pytest's settings, where a run without the plugin would fail for the option.
    """
    if hasattr(config, "workerinput"):      # one of those processes
        return
    option = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (option.keyword or option.collectonly or option.usepdb)
    if config.pluginmanager.has_plugin("xdist") and whole and option.numprocesses is None and option.dist == "no":
        option.numprocesses, option.dist = "logical", "loadfile"


def pytest_configure(config: pytest.Config) -> None:
    StoreBase.long = config.getoption("--long")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run slow loops (crash, fuzz, property) in their long form")
