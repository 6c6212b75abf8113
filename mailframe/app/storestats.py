"""`mailframe store stats`: all databases' numbers as one table for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw

from mailframe.app.config import Config
from mailframe.app.storefiles import files_of, present
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.held import held
from mailframe.sqlite.rows import fetch
from mailframe.stores.annotated import schema as annotated
from mailframe.stores.sqlite import stats as numbers

_WORDS = {
    "accounts": "accounts", "mailboxes": "mailboxes", "messages": "messages", "unseen": "  of them unseen",
    "octets": "octets of messages", "content_octets": "octets of content kept", "saved_by_sharing": "octets saved by sharing",
    "to_be_swept": "contents to be swept", "to_be_swept_octets": "octets to be swept",
    "expunged_lately": "messages expunged lately",
    "deleted_mailboxes": "deleted mailboxes to be swept", "expunge_log": "lines in the log of expunges",
    "queue_messages": "messages in the queue", "queue_recipients": "recipients in the queue", "queue_held": "  of them on hold",
    "queue_octets": "octets in the queue",
    "annotations": "annotations", "annotation_octets": "octets of annotations",
}
_LARGEST = 10


def gather(config: Config) -> dict[str, Any]:
    """The sums over all files, each file's own size, and the largest. Raises EngineError."""
    total: dict[str, Any] = {"databases": [], "largest_accounts": [], "largest_mailboxes": []}
    for path in files_of(config).databases:
        with held(path) as con:
            try:
                _add(total, _of(con, path))
            except apsw.Error as error:
                raise EngineError(f"cannot read the database {path}: {error}") from error
        total["databases"].append({"path": str(path), "octets": _size(path), "log_octets": _size(Path(f"{path}-wal"))})
    for largest in ("largest_accounts", "largest_mailboxes"):
        total[largest] = sorted(total[largest], key=lambda row: -int(row["octets"]))[:_LARGEST]
    return total


def stats(config: Config, *, as_json: bool = False) -> str:
    """Lines for a person, or one JSON object."""
    found = gather(config)
    if as_json:
        return json.dumps(found, indent=2) + "\n"
    lines = [f"{found[key]:>20,}  {words}" for key, words in _WORDS.items() if key in found]
    lines += [f"{each['octets']:>20,}  octets in {each['path']}, {each['log_octets']:,} in its log" for each in found["databases"]]
    for title, largest in (("largest accounts", "largest_accounts"), ("largest mailboxes", "largest_mailboxes")):
        if found[largest]:
            lines += ["", f"{'octets':>20}  {'messages':>10}  {title}"]
            lines += [f"{each['octets']:>20,}  {each['messages']:>10,}  {each['account']} {each.get('mailbox', '')}".rstrip()
                      for each in found[largest]]
    return "\n".join(lines) + "\n"


def _of(con: apsw.Connection, path: Path) -> dict[str, Any]:
    has = present(con, path)
    found: dict[str, Any] = {}
    if "store" in has:
        found |= numbers.mail(con)
    if "content" in has:
        found |= numbers.content(con)
    if "queue" in has:
        messages, octets = fetch(con, "SELECT count(*), coalesce(sum(size), 0) FROM queue_message")[0]
        recipients, on_hold = fetch(con, "SELECT count(*), coalesce(sum(held), 0) FROM queue_recipient")[0]
        found |= {"queue_messages": messages, "queue_octets": octets, "queue_recipients": recipients, "queue_held": on_hold}
    if annotated.COMPONENT in has:
        found |= annotated.stats(con)
    return found


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        total[key] = total[key] + value if key in total else value


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
