"""`mailframe guards ...`: asks the running server what its guards remember, has them forget, and bans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mailframe.app.control import ask

ACTIONS = {
    "list": "which are on, how often they refused, and what they remember",
    "show": "what they know of one address",
    "forget": "all about one address: bans, failed logins, counts, the greylist",
    "ban": "refuse one address at the door for a while",
}
BAN_MINUTES = 60.0


def run(action: str, data: Path, address: str = "", minutes: float = BAN_MINUTES) -> None:
    """Do `action` and print what came of it. Raises ControlError, also when no server runs: only it knows."""
    answer = ask(data, {"do": f"guards {action}", "address": address, "minutes": minutes})
    if action == "list":
        said = _table(answer)
    elif action == "show":
        said = _shown(address, answer)
    elif action == "forget":
        said = _forgotten(address, answer)
    else:
        said = f"{answer} is refused for {minutes:g} minutes; `mailframe guards forget {address}` lets it in again.\n"
    print(said, end="")


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No guard is on.\n"
    return "".join(f"{row['guard']:<10}  {_words(row)}\n" for row in rows)


def _words(row: Mapping[str, Any]) -> str:
    done = "held back" if row["guard"] == "tarpit" else "refused"
    told = [f"{number} {words}" for words, number in row["told"].items()]
    return ", ".join([f"{row['refused']} {'only logged' if row['only_log'] else done}", *told])


def _shown(address: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return f"No guard knows anything of {address}.\n"
    return "".join(f"{row['guard']:<10}  {words}\n" for row in rows for words in row["known"])


def _forgotten(address: str, answer: Mapping[str, int]) -> str:
    names = ", ".join(name for name, number in answer.items() if number)
    return f"Forgot {address}: {names}.\n" if names else f"No guard knew anything of {address}.\n"
