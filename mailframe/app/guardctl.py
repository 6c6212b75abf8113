"""`mailframe guards ...`: asks the running server what its guards remember, and has them forget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mailframe.app.control import ask

ACTIONS = {"list": "which are on, and what they remember", "forget": "all about one address"}


def run(action: str, data: Path, address: str) -> None:
    """Do `action` and print what came of it. Raises ControlError, also when no server runs: only it knows."""
    answer = ask(data, {"do": f"guards {action}", "address": address})
    print(_table(answer) if action == "list" else _forgotten(address, answer), end="")


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No guard is on.\n"
    lines = [(row["guard"], ", ".join(f"{number} {words}" for words, number in row["told"].items()) or "on") for row in rows]
    return "".join(f"{name:<10}  {words}\n" for name, words in lines)


def _forgotten(address: str, answer: Mapping[str, int]) -> str:
    names = ", ".join(name for name, number in answer.items() if number)
    return f"Forgot {address}: {names}.\n" if names else f"No guard knew anything of {address}.\n"
