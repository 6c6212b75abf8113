"""`mailframe queue ...`: asks the running server, or opens the queue itself where no server runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailframe.app.control import NotRunning, ask
from mailframe.app.offline import with_spool
from mailframe.app.queuecontrol import handlers

ACTIONS = {
    "list": "what waits, for whom, since when and why",
    "retry": "try now",
    "hold": "keep, and do not try",
    "release": "end a hold",
    "remove": "forget, without telling the sender",
}


def run(action: str, data: Path, ids: Sequence[str]) -> None:
    """Do `action` and print what came of it. Raises ControlError."""
    request = {"do": f"queue {action}", "ids": list(ids)}
    try:
        answer = ask(data, request)
    except NotRunning:
        answer = _without_server(data, request)
    if action == "list":
        print(_table(answer), end="")
    else:
        print(f"{action}: {answer} done.")


def _without_server(data: Path, request: Mapping[str, Any]) -> Any:
    """Open the queue in this process, which no server uses."""
    return with_spool(data, lambda spool: handlers(spool, lambda: None)[request["do"]](request))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "Nothing waits in the queue.\n"
    width = max(len(row["envelope"]) for row in rows)
    lines = [f"{'id':>6}  {'in the log':<{width}}  {'since':<16}  {'size':>9}  {'tries':>5}  {'next try':<16}  from -> to"]
    for row in rows:
        next_try = "on hold" if row["held"] else _when(row["next_try"])
        lines.append(f"{row['id']:>6}  {row['envelope']:<{width}}  {_when(row['created']):<16}  {row['size']:>9}  "
                     f"{row['tries']:>5}  {next_try:<16}  {row['sender']} -> {row['recipient']}")
        lines += [f"{'':>8}{words}" for words in (_asked(row), row["problem"]) if words]
    return "\n".join(lines) + "\n"


def _asked(row: Mapping[str, Any]) -> str:
    """What its sender asked about time and rank."""
    asked = []
    if row["release"] and not row["tries"]:
        asked.append(f"not to leave before {_when(row['release'])}")
    if row["deliver_by"]:
        asked.append(f"to be delivered by {_when(row['deliver_by'])}")
    if row["priority"]:
        asked.append(f"priority {row['priority']}")
    return ", ".join(asked)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if seconds > 0 else "now"
