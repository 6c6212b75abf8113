"""`mailframe store ...`: looks after the databases that mail rests in, with or without a running server."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailframe.app.config import Config
from mailframe.app.control import ControlError
from mailframe.app.storebackup import backup
from mailframe.app.storecheck import examine, repair
from mailframe.app.storefiles import files_of
from mailframe.app.storereshard import reshard
from mailframe.app.storestats import stats
from mailframe.sqlite.errors import EngineError

Place = Callable[[argparse.ArgumentParser], None]
FindConfig = Callable[[argparse.Namespace], Config]


def add(actions: Any, command: Callable[..., argparse.ArgumentParser], place: Place, config: FindConfig) -> None:
    """Add the actions' parsers; `place` gives one its options for where the server is, `config` reads them."""
    check = command(actions, "check", "find whatever is inconsistent; exit code 1 if anything is; a server may be running")
    place(check)
    check.add_argument("--repair", action="store_true", help="mend what is found; with the server stopped")
    check.add_argument("--no-copy", action="store_true", help="do not keep a copy of the database from before the repair")
    check.set_defaults(run=lambda arguments: _worded(lambda: _check(config(arguments), arguments.repair, not arguments.no_copy)))
    backup_ = command(actions, "backup", "copy all that is worth keeping into a new folder; a server may be running")
    place(backup_)
    backup_.add_argument("target", type=Path, metavar="DEST", help="a folder that is not there yet")
    backup_.add_argument("--replace", action="store_true", help="replace an older backup there, once the new one is complete")
    backup_.set_defaults(run=lambda arguments: _worded(
        lambda: backup(config(arguments), arguments.target, print, replace=arguments.replace)))
    stats_ = command(actions, "stats", "how much of what there is, and whose; a server may be running")
    place(stats_)
    stats_.add_argument("--json", action="store_true", help="for programs")
    stats_.set_defaults(run=lambda arguments: _worded(lambda: print(stats(config(arguments), as_json=arguments.json), end="")))
    reshard_ = command(actions, "reshard", "deal the mail out over another number of files (shards); with the server stopped")
    place(reshard_)
    reshard_.add_argument("number", type=int, metavar="N", help="how many; then set shards to it in the configuration")
    reshard_.set_defaults(run=lambda arguments: _worded(lambda: reshard(config(arguments), arguments.number, print)))


def _worded(act: Callable[[], None]) -> None:
    """Raises ControlError for what an engine says of its files."""
    try:
        act()
    except EngineError as error:
        raise ControlError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None


def _check(config: Config, mend: bool, copy: bool) -> None:
    """Raises ControlError with the last line when something is wrong."""
    store = files_of(config)
    if mend:
        repair(store, print, copy=copy)
    count = 0
    for path in store.databases:
        for finding in examine(path, store.content):
            print(f"{path.name}: {finding}")
            count += 1
    if count:
        raise ControlError(f"{count} {'thing is' if count == 1 else 'things are'} wrong"
                           + ("" if mend else "; mailframe store check --repair mends them, with the server stopped") + ".")
    print(f"{', '.join(path.name for path in store.databases)}: all is well.")
