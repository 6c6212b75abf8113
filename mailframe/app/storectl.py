"""`mailframe store ...`: looks after the databases that mail rests in, with or without a running server."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from mailframe.app.config import Config
from mailframe.app.control import ControlError
from mailframe.app.storecheck import examine, repair
from mailframe.app.storefiles import files_of
from mailframe.sqlite.errors import EngineError

Place = Callable[[argparse.ArgumentParser], None]
FindConfig = Callable[[argparse.Namespace], Config]


def add(actions: Any, command: Callable[..., argparse.ArgumentParser], place: Place, config: FindConfig) -> None:
    """Add the actions' parsers; `place` gives one its options for where the server is, `config` reads them."""
    check = command(actions, "check", "find whatever is inconsistent; exit code 1 if anything is; a server may be running")
    place(check)
    check.add_argument("--repair", action="store_true", help="mend what is found; with the server stopped")
    check.add_argument("--no-copy", action="store_true", help="do not keep a copy of the database from before the repair")
    check.set_defaults(run=lambda arguments: _check(config(arguments), arguments.repair, not arguments.no_copy))


def _check(config: Config, mend: bool, copy: bool) -> None:
    """Raises ControlError with the last line when something is wrong."""
    try:
        store = files_of(config)
        if mend:
            repair(store, print, copy=copy)
        count = 0
        for path in store.databases:
            for finding in examine(path):
                print(f"{path.name}: {finding}")
                count += 1
    except EngineError as error:
        raise ControlError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    if count:
        raise ControlError(f"{count} {'thing is' if count == 1 else 'things are'} wrong"
                           + ("" if mend else "; mailframe store check --repair mends them, with the server stopped") + ".")
    print(f"{', '.join(path.name for path in store.databases)}: all is well.")
