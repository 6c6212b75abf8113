"""`mailframe trace ...`: asks the running server to log whole sessions, and for how long."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailframe.app.control import ask

Place = Callable[[argparse.ArgumentParser], None]
Data = Callable[[argparse.Namespace], Path]

PROTOCOLS = ("smtp",)
_MINUTES = 60.0


def add(actions: Any, command: Callable[[Any, str, str], argparse.ArgumentParser], place: Place, data: Data) -> None:
    """Its actions; `data` finds the data folder."""
    for protocol in PROTOCOLS:
        begin = command(actions, protocol, f"log new {protocol.upper()} sessions line by line: no passwords, no messages")
        place(begin)
        whose = begin.add_mutually_exclusive_group(required=True)
        whose.add_argument("client", nargs="?", metavar="ADDRESS", help="a client's address, or a network: 192.0.2.0/24")
        whose.add_argument("--account", help="sessions that log in as this account")
        whose.add_argument("--listener", help="all sessions at the listener of this name")
        begin.add_argument("--minutes", type=float, default=_MINUTES, help="for how long new sessions are chosen (%(default)g)")
        begin.set_defaults(run=lambda arguments, protocol=protocol: _begin(data(arguments), protocol, arguments))
    for name, words, run in (
        ("list", "whose sessions are being logged", _list), ("off", "log no new sessions any more, whoever chose them", _off),
    ):
        action = command(actions, name, words)
        place(action)
        action.set_defaults(run=lambda arguments, run=run: run(data(arguments)))


def _begin(data: Path, protocol: str, arguments: argparse.Namespace) -> None:
    kind, value = next(
        (kind, getattr(arguments, kind)) for kind in ("client", "account", "listener") if getattr(arguments, kind) is not None)
    made = ask(data, {"do": "trace begin", "protocol": protocol, "kind": kind, "value": value, "minutes": arguments.minutes})
    print(f"{_words(made)}; the server's log has them as: trace {protocol}-NUMBER")


def _list(data: Path) -> None:
    answer = ask(data, {"do": "trace list"})
    for each in answer["choices"]:
        print(_words(each))
    print(f"{answer['running']} sessions are being logged now.")


def _off(data: Path) -> None:
    print(f"{ask(data, {'do': 'trace off'})} taken back; what the [trace] table chooses begins again with the next start.")


def _words(choice: Mapping[str, Any]) -> str:
    until = choice["until"]
    end = "" if until is None else f" until {datetime.fromtimestamp(until, UTC).astimezone().strftime('%Y-%m-%d %H:%M')}"
    return f"{choice['protocol'] or 'all'} sessions of {choice['kind']} {choice['value']}{end}"
